/* fly_api.c - one request to the Machines API, over libcurl, on a thread. */
/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/number.h"
#include "target/fly.h"

#define CONNECT_TIMEOUT 5000 /* msec */
#define BODY_MAX	(16u << 20)
#define PAUSE_FIRST	250
#define PAUSE_LAST	5000
#define RETRY_MAX	30000 /* more is not waited for, whatever is asked */
#define SLICE		100   /* in which a pause looks whether it is given up */

struct transfer {
	struct fly_answer *answer;
	const struct target_call *call;
};

bool fly_pause(const struct target_call *call, msec length)
{
	msec until = clock_now() + length, now;

	while ((now = clock_now()) < until && !target_call_is_over(call))
		poll(NULL, 0, (int)MIN(until - now, (msec)SLICE));
	return !target_call_is_over(call);
}

bool fly_has_curl(struct target_call *call)
{
	struct fly *f = fly_of(call);
	char *reason;

	if (f->has_curl)
		return true;
	if (curl_library_load("Fly's API", &f->curl, &reason) < 0) {
		target_call_set(call, -ENOTSUP, "%s", reason);
		free(reason);
		return false;
	}
	if (f->curl.global_init(CURL_GLOBAL_DEFAULT) != 0)
		abort();
	f->has_curl = true;
	return true;
}

/* --- one try --- */

static size_t on_api_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	if (buf_len(&t->answer->body) + size * n > BODY_MAX)
		return 0; /* ends the transfer as failed */
	buf_add(&t->answer->body, (str){data, size * n});
	return size * n;
}

static bool header_value(str line, str name, str *ret)
{
	if (!str_starts_nocase(line, name))
		return false;
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	*ret = str_trim(str_slice(line, name.n, line.n));
	return true;
}

static size_t on_api_header(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	str line = {data, size * n}, value;
	uint64_t seconds;

	if (header_value(line, STR("retry-after:"), &value) &&
		number_parse(value, UINT32_MAX, &seconds) == 0)
		t->answer->retry_after = seconds * 1000;
	else if (header_value(line, STR("fly-request-id:"), &value))
		snprintf(t->answer->id, sizeof(t->answer->id), STR_FMT, STR_ARG(value));
	return size * n;
}

static int on_api_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct transfer *t = arg;

	(void)a, (void)b, (void)c, (void)d;
	return target_call_is_over(t->call);
}

static struct curl_slist *make_headers(const struct fly *f, const struct fly_request *r)
{
	const struct curl_library *lib = &f->curl;
	CLEAN_FREE char *authority = xasprintf("Authorization: %s", f->authority);
	struct curl_slist *headers = lib->slist_append(NULL, authority);

	headers = lib->slist_append(headers, "Content-Type: application/json");
	headers = lib->slist_append(headers, "Expect:");
	if (r->nonce) {
		CLEAN_FREE char *nonce = xasprintf("fly-machine-lease-nonce: %s", r->nonce);

		headers = lib->slist_append(headers, nonce);
	}
	return headers;
}

static void set_request(const struct fly *f, CURL *curl, const struct fly_request *r,
	struct transfer *t, char error[CURL_ERROR_SIZE])
{
	const struct curl_library *lib = &f->curl;
	msec now = clock_now(), left = r->until > now ? r->until - now : 1;
	str body = r->body.n ? r->body : STR("{}");

	lib->easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
	if (strcmp(r->method, "GET") != 0) {
		lib->easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.n);
		lib->easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body.p);
	}
	lib->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	lib->easy_setopt(curl, CURLOPT_PROXY, "");
	lib->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	lib->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(left, (msec)CONNECT_TIMEOUT));
	lib->easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)left);
	lib->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_api_body);
	lib->easy_setopt(curl, CURLOPT_WRITEDATA, t);
	lib->easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_api_header);
	lib->easy_setopt(curl, CURLOPT_HEADERDATA, t);
	lib->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	lib->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_api_progress);
	lib->easy_setopt(curl, CURLOPT_XFERINFODATA, t);
	lib->easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
}

static CURLcode perform(
	struct target_call *call, const struct fly_request *r, struct fly_answer *answer)
{
	const struct fly *f = fly_of(call);
	const struct curl_library *lib = &f->curl;
	CLEAN_FREE char *url = xasprintf("%s/v1/apps/%s%s", f->api, f->app, r->path);
	struct transfer transfer = {answer, call};
	struct curl_slist *headers = make_headers(f, r);
	char error[CURL_ERROR_SIZE] = "";
	CURL *curl = lib->easy_init();
	CURLcode code;

	if (!curl)
		abort();
	buf_clear(&answer->body);
	answer->status = 0;
	answer->retry_after = 0;
	answer->id[0] = '\0';
	lib->easy_setopt(curl, CURLOPT_URL, url);
	lib->easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	set_request(f, curl, r, &transfer, error);
	code = lib->easy_perform(curl);
	lib->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (code != CURLE_OK)
		target_call_set(call, -EIO, "the Machines API (%s): %s", f->api,
			*error ? error : lib->easy_strerror(code));
	lib->easy_cleanup(curl);
	lib->slist_free_all(headers);
	return code;
}

/* --- until there is an answer --- */

/* Nothing has been asked yet. */
static bool was_not_sent(CURLcode code)
{
	return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT;
}

static bool may_try_again(const struct fly_request *r, CURLcode code, const struct fly_answer *a)
{
	bool is_question = strcmp(r->method, "GET") == 0;

	if (code != CURLE_OK)
		return is_question || was_not_sent(code);
	return a->status == 429 || (is_question && a->status >= 500);
}

static int ask_until_answered(
	struct target_call *call, const struct fly_request *r, struct fly_answer *ret)
{
	msec pause = PAUSE_FIRST;

	for (;;) {
		CURLcode code = perform(call, r, ret);
		msec wait = MIN(MAX(pause, ret->retry_after), (msec)RETRY_MAX);

		if (target_call_is_over(call))
			return -ECANCELED;
		if (!may_try_again(r, code, ret) || clock_now() + wait >= r->until)
			return code == CURLE_OK ? 0 : -EIO;
		if (!fly_pause(call, wait))
			return -ECANCELED;
		pause = MIN(pause * 2, (msec)PAUSE_LAST);
	}
}

int fly_ask(struct target_call *call, struct fly_request *take_r, struct fly_answer *ret)
{
	int r = ask_until_answered(call, take_r, ret);

	free(take_r->path);
	take_r->path = NULL;
	return r;
}

/* --- what it means --- */

#define FLY_TEXT_MAX 200

/* The message in the body of an answer. */
static void read_message(const struct fly_answer *a, char out[FLY_TEXT_MAX])
{
	str body = buf_str(&a->body);
	json_t *j = json_loadb(body.p, body.n, 0, NULL);
	const char *text = json_string_value(json_object_get(j, "error"));
	size_t n = 0;

	if (!text)
		text = json_string_value(json_object_get(j, "message"));
	/* Somebody else's words: on one line, and short. */
	for (const char *p = text ? text : ""; *p && n + 1 < FLY_TEXT_MAX; p++)
		out[n++] = (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p;
	out[n] = '\0';
	json_decref(j);
}

static int error_of_status(long status)
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
	case 412:
	case 429:
		return -EAGAIN;
	default:
		return status >= 500 ? -EAGAIN : -EIO;
	}
}

bool fly_accept(struct target_call *call, const struct fly_answer *a, const char *doing)
{
	char text[FLY_TEXT_MAX];

	if (a->status / 100 == 2)
		return true;
	read_message(a, text);
	target_call_set(call, error_of_status(a->status),
		"the Machines API does not %s: %ld %s%s%s%s", doing, a->status, text,
		*a->id ? " (request " : "", a->id, *a->id ? ")" : "");
	call->result.retry_after = a->retry_after;
	return false;
}
