/* location.c - parses backup.url, and builds URLs from it. */
/* SPDX-License-Identifier: MIT */
#include "backup/location.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (char_lower(c) >= 'a' && char_lower(c) <= 'z');
}

static bool is_key_char(char c)
{
	return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '/';
}

void location_add_key(struct buf *out, str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool begins = i == 0 || name.p[i - 1] == '/';

		if (is_key_char(c) && !(begins && c == '.'))
			buf_add_char(out, c);
		else
			buf_printf(out, "~%02X", (unsigned char)c);
	}
}

char *location_replica_key(str tenant, uint64_t epoch, str database)
{
	struct buf key = {0};
	char *copy;

	location_add_key(&key, tenant);
	buf_printf(&key, "/%08llx/", (unsigned long long)epoch);
	location_add_key(&key, database);
	copy = str_dup(buf_str(&key));
	buf_done(&key);
	return copy;
}

/* Litestream rewrites a file: URL before using it as a path, so only paths that survive that can be
 * given to it. */
static bool is_plain_path(str path)
{
	for (size_t i = 0; i < path.n; i++)
		if (!is_key_char(path.p[i]) && !strchr("~+,=@", path.p[i]))
			return false;
	return true;
}

static int parse_file(str url, struct location *l, char **ret_reason)
{
	l->directory = str_dup(str_slice(url, strlen("file://"), url.n));
	if (l->directory[0] == '/' && l->directory[1] && is_plain_path(str_of(l->directory)))
		return 0;
	*ret_reason =
		xasprintf("backup.url: %s: the directory must be absolute and made of letters, "
			  "digits and /._-~+,=@ (Litestream takes no others)",
			l->url);
	return -EINVAL;
}

static bool is_bucket(str bucket)
{
	for (size_t i = 0; i < bucket.n; i++)
		if (!is_alnum(bucket.p[i]) && bucket.p[i] != '.' && bucket.p[i] != '-' &&
			bucket.p[i] != '_')
			return false;
	return bucket.n > 0;
}

static bool is_prefix(str prefix)
{
	for (size_t i = 0; i < prefix.n; i++)
		if (!is_key_char(prefix.p[i]) && prefix.p[i] != '~')
			return false;
	return true;
}

static bool host_ends(str host, str domain)
{
	return str_ends(host, domain) &&
	       (host.n == domain.n || host.p[host.n - domain.n - 1] == '.');
}

static str host_of(const char *endpoint)
{
	str rest = str_of(endpoint);
	ssize_t scheme = str_find(rest, STR("://")), slash;

	if (scheme >= 0)
		rest = str_slice(rest, (size_t)scheme + 3, rest.n);
	slash = str_find_char(rest, '/');
	return slash >= 0 ? str_slice(rest, 0, (size_t)slash) : rest;
}

/* Amazon and Tigris want the bucket in the host, others expect it in the path.  A dot in the
 * bucket's name would not fit the certificate. */
static bool wants_path_style(const struct location *l)
{
	str host = host_of(l->endpoint);

	return strchr(l->bucket, '.') ||
	       !(host_ends(host, STR("amazonaws.com")) || host_ends(host, STR("tigris.dev")) ||
		       host_ends(host, STR("t3.storage.dev")));
}

static int set_endpoint(const struct backup_conf *conf, struct location *l, char **ret_reason)
{
	str endpoint = conf->endpoint;

	while (str_ends(endpoint, STR("/")))
		endpoint.n--;
	if (endpoint.n && str_find(endpoint, STR("://")) < 0) {
		l->endpoint = xasprintf("https://" STR_FMT, STR_ARG(endpoint));
	} else if (endpoint.n) {
		l->endpoint = str_dup(endpoint);
	} else if (l->region[0] && strcmp(l->region, "auto") != 0) {
		l->endpoint = xasprintf("https://s3.%s.amazonaws.com", l->region);
	} else {
		*ret_reason = xasprintf(
			"backup.url: %s: where is it? Set AWS_ENDPOINT_URL_S3 (`fly storage "
			"create` does), or AWS_REGION for Amazon's own",
			l->url);
		return -EINVAL;
	}
	if (str_starts(str_of(l->endpoint), STR("https://")) ||
		str_starts(str_of(l->endpoint), STR("http://")))
		return 0;
	*ret_reason = xasprintf("backup.endpoint: %s: must be an http or https URL", l->endpoint);
	return -EINVAL;
}

static int parse_s3(const struct backup_conf *conf, str url, struct location *l, char **ret_reason)
{
	str rest = str_slice(url, strlen("s3://"), url.n), bucket;
	int r;

	if (!str_split(&rest, '/', &bucket) || !is_bucket(bucket) || !is_prefix(rest)) {
		*ret_reason = xasprintf(
			"backup.url: %s: must be s3://bucket/prefix, the prefix made of letters, "
			"digits and /._-~",
			l->url);
		return -EINVAL;
	}
	l->bucket = str_dup(bucket);
	l->prefix = rest.n ? xasprintf(STR_FMT "/", STR_ARG(rest)) : xstrdup("");
	l->region = str_dup(conf->region.n ? conf->region : STR("auto"));
	l->key_id = str_dup(conf->access_key_id);
	l->secret = str_dup(conf->secret_access_key);
	r = set_endpoint(conf, l, ret_reason);
	if (r < 0)
		return r;
	l->is_path_style = wants_path_style(l);
	if (l->key_id[0] && l->secret[0])
		return 0;
	*ret_reason = xasprintf("backup.url: %s: keys are missing: set AWS_ACCESS_KEY_ID and "
				"AWS_SECRET_ACCESS_KEY (`fly storage create` does)",
		l->url);
	return -EINVAL;
}

int location_parse(const struct backup_conf *conf, struct location *ret, char **ret_reason)
{
	struct location l = {0};
	str url = conf->url;
	int r = -EINVAL;

	while (url.n > strlen("file:///") && str_ends(url, STR("/")))
		url.n--;
	l.url = str_dup(url);
	if (str_starts(url, STR("file://"))) {
		l.kind = LOCATION_FILE;
		r = parse_file(url, &l, ret_reason);
	} else if (str_starts(url, STR("s3://"))) {
		l.kind = LOCATION_S3;
		r = parse_s3(conf, url, &l, ret_reason);
	} else {
		*ret_reason = xasprintf("backup.url: %s: must begin with s3:// or file:///", l.url);
	}
	if (r < 0)
		location_done(&l);
	else
		*ret = l;
	return r;
}

void location_done(struct location *l)
{
	free(l->url);
	free(l->directory);
	free(l->bucket);
	free(l->prefix);
	free(l->endpoint);
	free(l->region);
	free(l->key_id);
	free(l->secret);
	*l = (struct location){0};
}

/* For the value of a query: unreserved characters stay (RFC 3986 2.3). */
static void add_encoded(struct buf *out, str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (is_alnum(s.p[i]) || strchr("-._~", s.p[i]))
			buf_add_char(out, s.p[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)s.p[i]);
}

char *location_replica_url(const struct location *l, const char *key)
{
	struct buf url = {0};
	char *copy;

	switch (l->kind) {
	case LOCATION_FILE:
		return xasprintf("file://%s/%s", l->directory, key);
	case LOCATION_S3:
		buf_printf(&url, "s3://%s/%s%s?endpoint=", l->bucket, l->prefix, key);
		add_encoded(&url, str_of(l->endpoint));
		buf_printf(&url, "&region=");
		add_encoded(&url, str_of(l->region));
		buf_printf(&url, "&forcePathStyle=%s", l->is_path_style ? "true" : "false");
		break;
	}
	copy = str_dup(buf_str(&url));
	buf_done(&url);
	return copy;
}

char *location_request_url(const struct location *l, const char *key, const char *query)
{
	str host = host_of(l->endpoint);
	int scheme = (int)(host.p - l->endpoint);
	const char *mark = query ? "?" : "", *tail = query ? query : "", *slash = *key ? "/" : "";

	if (l->is_path_style)
		return xasprintf("%s/%s%s%s%s%s", l->endpoint, l->bucket, slash, key, mark, tail);
	return xasprintf("%.*s%s." STR_FMT "/%s%s%s", scheme, l->endpoint, l->bucket, STR_ARG(host),
		key, mark, tail);
}
