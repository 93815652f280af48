/* http.c - a request by libcurl that can be given up. */
/* SPDX-License-Identifier: MIT */
#include "target/http.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/number.h"

#define CONNECT_TIMEOUT 5000 /* msec */
#define BODY_MAX	(4u << 20)

struct exchange_of_call {
	struct http_answer *answer;
	const struct target_call *call;
};

bool http_prepare(struct http_client *c, struct target_call *call, const char *what)
{
	char *reason;

	if (c->is_there)
		return true;
	if (curl_library_load(what, &c->curl, &reason) < 0) {
		target_call_set(call, -ENOTSUP, "%s", reason);
		free(reason);
		return false;
	}
	if (c->curl.global_init(CURL_GLOBAL_DEFAULT) != 0)
		abort();
	c->is_there = true;
	return true;
}

static size_t on_http_body(char *data, size_t size, size_t n, void *arg)
{
	struct exchange_of_call *x = arg;

	if (buf_len(&x->answer->body) + size * n > BODY_MAX)
		return 0; /* ends the transfer as failed */
	buf_add(&x->answer->body, (str){data, size * n});
	return size * n;
}

static size_t on_http_header(char *data, size_t size, size_t n, void *arg)
{
	static const str name = STR_INIT("retry-after:");
	struct exchange_of_call *x = arg;
	str line = {data, size * n};
	uint64_t seconds;

	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	if (str_starts_nocase(line, name) &&
		number_parse(str_trim(str_slice(line, name.n, line.n)), UINT32_MAX, &seconds) == 0)
		x->answer->retry_after = seconds * 1000;
	return size * n;
}

static int on_http_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct exchange_of_call *x = arg;

	(void)a, (void)b, (void)c, (void)d;
	return target_call_is_over(x->call);
}

static struct curl_slist *headers_of(const struct curl_library *lib, const struct http_request *r)
{
	struct curl_slist *headers = lib->slist_append(NULL, "Expect:");
	CLEAN_FREE char *type = r->type ? xasprintf("Content-Type: %s", r->type) : NULL;

	if (r->authority)
		headers = lib->slist_append(headers, r->authority);
	if (type)
		headers = lib->slist_append(headers, type);
	return headers;
}

static void describe(const struct curl_library *lib, CURL *curl, const struct http_request *r)
{
	lib->easy_setopt(curl, CURLOPT_URL, r->url);
	lib->easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
	if (strcmp(r->method, "GET") != 0) {
		lib->easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)r->body.n);
		lib->easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, r->body.n ? r->body.p : "");
	}
	if (r->ca_file)
		lib->easy_setopt(curl, CURLOPT_CAINFO, r->ca_file);
	lib->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	lib->easy_setopt(curl, CURLOPT_PROXY, "");
	lib->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	lib->easy_setopt(
		curl, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(r->limit, (msec)CONNECT_TIMEOUT));
	lib->easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)r->limit);
}

static void receive_into(const struct curl_library *lib, CURL *curl, struct exchange_of_call *x)
{
	lib->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_http_body);
	lib->easy_setopt(curl, CURLOPT_WRITEDATA, x);
	lib->easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_http_header);
	lib->easy_setopt(curl, CURLOPT_HEADERDATA, x);
	lib->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	lib->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_http_progress);
	lib->easy_setopt(curl, CURLOPT_XFERINFODATA, x);
}

int http_ask(const struct http_client *c, struct target_call *call, const struct http_request *r,
	struct http_answer *ret)
{
	const struct curl_library *lib = &c->curl;
	struct exchange_of_call x = {ret, call};
	struct curl_slist *headers = headers_of(lib, r);
	char error[CURL_ERROR_SIZE] = "";
	CURL *curl = lib->easy_init();
	CURLcode code;

	if (!curl)
		abort();
	describe(lib, curl, r);
	receive_into(lib, curl, &x);
	lib->easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	lib->easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	code = lib->easy_perform(curl);
	lib->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
	if (code != CURLE_OK)
		target_call_set(call, -EIO, "%s: %s", r->name ? r->name : r->url,
			*error ? error : lib->easy_strerror(code));
	lib->easy_cleanup(curl);
	lib->slist_free_all(headers);
	if (target_call_is_over(call))
		return -ECANCELED;
	return code == CURLE_OK ? 0 : -EIO;
}

int http_error(long status)
{
	switch (status) {
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 408:
		return -ETIMEDOUT;
	case 409:
	case 429:
		return -EAGAIN;
	default:
		break;
	}
	if (status / 100 == 2)
		return 0;
	return status >= 500 ? -EAGAIN : -EIO;
}
