/* rewrite.c - finds the URLs in a field's value, and moves them under the tenant's prefix or out of
 * it. */
/* SPDX-License-Identifier: MIT */
#include "proxy/rewrite.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "route/own_url.h"

void rewrite_init(struct rewrite *r, const struct route *route, str host)
{
	*r = (struct rewrite){
		.prefix = route->tenant->prefix,
		.host = host,
		.tenant_host = route->tenant->host,
		.is_stripped = route->tenant->app->prefix == PREFIX_STRIP,
		.is_by_referer = route->is_by_referer,
	};
}

/* Forgets what was appended after the first `length` bytes. */
static void cut(struct buf *out, size_t length)
{
	out->end = out->start + length;
}

/* True if the path is the prefix or below it. */
static bool is_path_below(str path, str prefix)
{
	if (!str_starts(path, prefix))
		return false;
	return path.n == prefix.n || memchr("/?#", path.p[prefix.n], 3);
}

/* "/x", but not "//host", which browsers also read out of "/\host". */
static bool is_root_path(str url)
{
	return url.n && url.p[0] == '/' && !(url.n > 1 && (url.p[1] == '/' || url.p[1] == '\\'));
}

static bool is_own_address(str url, unsigned port, str *ret_rest)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]"};
	char host[32];

	for (size_t i = 0; i < NITEMS(names); i++) {
		snprintf(host, sizeof(host), "%s:%u", names[i], port);
		if (own_url(url, str_of(host), ret_rest))
			return true;
	}
	return false;
}

static bool rewrite_own_address(struct buf *out, const struct rewrite *r, str value)
{
	str rest;

	if (!is_own_address(value, r->own_port, &rest))
		return false;
	buf_add(out, r->origin);
	buf_add(out, rest);
	return true;
}

bool rewrite_url(struct buf *out, const struct rewrite *r, str value)
{
	str rest = value;

	if (r->own_port)
		return rewrite_own_address(out, r, value);
	if (!r->is_stripped || !r->prefix.n)
		return false;
	if (!is_root_path(value) && !own_url(value, r->host, &rest))
		return false;
	if (is_path_below(rest, r->prefix))
		return false;
	buf_add(out, str_slice(value, 0, value.n - rest.n));
	buf_add(out, r->prefix);
	if (!rest.n || rest.p[0] != '/')
		buf_add_char(out, '/');
	buf_add(out, rest);
	return true;
}

static size_t skip_set(str s, size_t at, const char *set, size_t nset)
{
	while (at < s.n && memchr(set, s.p[at], nset))
		at++;
	return at;
}

/* Where the URL begins in "5; url='/x'", as browsers find it (HTML, "shared declarative refresh
 * steps"). */
static size_t find_refresh_url(str value)
{
	size_t at = skip_set(value, 0, "0123456789. \t", 13), url;

	if (at == 0)
		return value.n;
	at = skip_set(value, at, ";,", 2);
	at = skip_set(value, at, " \t", 2);
	if (!str_starts_nocase(str_slice(value, at, value.n), STR("url")))
		return at;
	url = skip_set(value, at + 3, " \t", 2);
	if (url == value.n || value.p[url] != '=')
		return at;
	return skip_set(value, url + 1, " \t", 2);
}

bool rewrite_refresh(struct buf *out, const struct rewrite *r, str value)
{
	size_t before = buf_len(out), start = find_refresh_url(value), end = value.n;

	if (start < value.n && (value.p[start] == '"' || value.p[start] == '\'')) {
		const char *quote =
			memchr(value.p + start + 1, value.p[start], value.n - start - 1);

		end = quote ? (size_t)(quote - value.p) : end;
		start++;
	}
	buf_add(out, str_slice(value, 0, start));
	if (!rewrite_url(out, r, str_slice(value, start, end))) {
		cut(out, before);
		return false;
	}
	buf_add(out, str_slice(value, end, value.n));
	return true;
}

/* The first '<' at or after `at` that is not in a quoted parameter. */
static size_t find_angle(str value, size_t at)
{
	bool is_quoted = false;

	for (; at < value.n; at++) {
		if (is_quoted && value.p[at] == '\\')
			at++;
		else if (value.p[at] == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && value.p[at] == '<')
			return at;
	}
	return value.n;
}

/* Rewrites each URL that stands in angles. */
static bool rewrite_angles(struct buf *out, const struct rewrite *r, str value, rewrite_fn *url)
{
	size_t before = buf_len(out), copied = 0, at = 0;
	bool is_changed = false;

	while ((at = find_angle(value, at)) < value.n) {
		const char *close = memchr(value.p + at, '>', value.n - at);
		size_t end = close ? (size_t)(close - value.p) : value.n;

		buf_add(out, str_slice(value, copied, at + 1));
		copied = at + 1;
		if (url(out, r, str_slice(value, copied, end))) {
			copied = end;
			is_changed = true;
		}
		at = end;
	}
	if (is_changed)
		buf_add(out, str_slice(value, copied, value.n));
	else
		cut(out, before);
	return is_changed;
}

bool rewrite_link(struct buf *out, const struct rewrite *r, str value)
{
	return rewrite_angles(out, r, value, rewrite_url);
}

/* {"path": "/x", "target": "#y"}: htmx's HX-Location. */
static bool rewrite_json(struct buf *out, const struct rewrite *r, str value)
{
	json_t *object = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *path = json_object_get(object, "path");
	struct buf moved = {0};
	char *text = NULL;
	bool is_moved;

	if (path &&
		rewrite_url(&moved, r, (str){json_string_value(path), json_string_length(path)})) {
		json_object_set_new(
			object, "path", json_stringn(buf_str(&moved).p, buf_len(&moved)));
		text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
	}
	is_moved = text != NULL;
	if (is_moved)
		buf_add(out, str_of(text));
	free(text);
	buf_done(&moved);
	json_decref(object);
	return is_moved;
}

bool rewrite_location_or_json(struct buf *out, const struct rewrite *r, str value)
{
	return str_starts(value, STR("{")) ? rewrite_json(out, r, value)
					   : rewrite_url(out, r, value);
}

bool rewrite_destination(struct buf *out, const struct rewrite *r, str value)
{
	str rest = value;

	if (!r->is_stripped || !r->prefix.n)
		return false;
	if (!is_root_path(value) && !own_url(value, r->host, &rest))
		return false;
	if (!is_path_below(rest, r->prefix))
		return false;
	buf_add(out, str_slice(value, 0, value.n - rest.n));
	rest = str_slice(rest, r->prefix.n, rest.n);
	if (!rest.n || rest.p[0] != '/')
		buf_add_char(out, '/');
	buf_add(out, rest);
	return true;
}

bool rewrite_if(struct buf *out, const struct rewrite *r, str value)
{
	return rewrite_angles(out, r, value, rewrite_destination);
}

/* Path=/a covers /a/ and all below; `path` is not below the prefix. */
static void add_cookie_path(struct buf *out, const struct rewrite *r, str path)
{
	str ancestor = path;

	while (ancestor.n && ancestor.p[ancestor.n - 1] == '/')
		ancestor.n--;
	buf_add(out, r->prefix);
	/* An application that knows its prefix means itself when it names a path above it. */
	if (ancestor.n && (r->is_stripped || !is_path_below(r->prefix, ancestor)))
		buf_add(out, path);
}

struct cookie {
	struct buf *out;
	const struct rewrite *rewrite;
	bool has_path; /* the last Path that came is the one that counts */
	bool is_changed;
};

/* One attribute, as it came, with the ';' before it. */
static void add_attribute(struct cookie *c, str raw)
{
	const struct rewrite *r = c->rewrite;
	ssize_t equals = str_find_char(raw, '=');
	str name = str_trim(str_slice(raw, 1, equals < 0 ? raw.n : (size_t)equals));
	str value = equals < 0 ? STR_EMPTY : str_trim(str_slice(raw, (size_t)equals + 1, raw.n));

	if (r->tenant_host.n && str_eq_nocase(name, STR("Domain")) &&
		!str_eq_nocase(value, r->tenant_host)) {
		c->is_changed = true;
		return;
	}
	if (r->prefix.n && str_eq_nocase(name, STR("Path"))) {
		c->has_path = value.n && value.p[0] == '/';
		if (c->has_path && !is_path_below(value, r->prefix)) {
			buf_add(c->out, STR("; Path="));
			add_cookie_path(c->out, r, value);
			c->is_changed = true;
			return;
		}
	}
	buf_add(c->out, raw);
}

bool rewrite_cookie(struct buf *out, const struct rewrite *r, str value)
{
	struct cookie c = {.out = out, .rewrite = r};
	size_t before = buf_len(out), at = 0;

	if ((!r->prefix.n && !r->tenant_host.n) || str_starts_nocase(value, STR("__Host-")))
		return false;
	while (at < value.n) {
		const char *semicolon = memchr(value.p + at + 1, ';', value.n - at - 1);
		size_t end = semicolon ? (size_t)(semicolon - value.p) : value.n;
		str part = str_slice(value, at, end);

		if (part.p[0] == ';')
			add_attribute(&c, part);
		else
			buf_add(out, part); /* name=value */
		at = end;
	}
	if (r->prefix.n && r->is_by_referer && !c.has_path) {
		buf_add(out, STR("; Path="));
		buf_add(out, r->prefix);
		c.is_changed = true;
	}
	if (!c.is_changed)
		cut(out, before);
	return c.is_changed;
}
