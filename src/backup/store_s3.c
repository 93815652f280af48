/* store_s3.c - a bucket as store, over libcurl, which signs the requests (AWS Signature Version
 * 4). */
/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backup/curl_library.h"
#include "backup/signing_time.h"
#include "backup/store_int.h"
#include "base/alloc.h"
#include "base/number.h"
#include "http/date.h"

#define CONNECT_TIMEOUT 5000u /* msec */
#define REQUEST_TIMEOUT 10000u
#define MAX_TRIES	4
#define MAX_IDLE	8 /* handles that keep a connection for the next request */

struct store_s3 {
	struct curl_library lib;
	const struct location *location;
	const struct work *work;
	char *signature; /* for libcurl: provider, region, service */
	pthread_mutex_t lock;
	CURL *idle[MAX_IDLE]; /* with the lock held */
	unsigned nidle;
	unsigned lives; /* counts how often connections were forgotten; with the lock held */
};

struct request {
	const char *method;
	char *url;
	str body;
	const char *condition; /* a header, or NULL */
	const struct work *work;
	msec until;
	bool is_long; /* it may take as long as bytes keep coming */
};

struct s3_answer {
	long status;
	struct buf body;
	store_sink *sink; /* or NULL: where the body goes if the status is 200 */
	void *arg;
	int sunk; /* what the sink returned last */
	struct store_s3 *s3;
	CURL *curl;
	struct etag etag;
	uint64_t date; /* msec since 1970, by the store's clock; 0: it did not say */
};

struct store_s3 *store_s3_new(const struct location *l, const struct work *work, char **ret_reason)
{
	struct curl_library lib;
	struct store_s3 *s;

	if (curl_library_load("a bucket", &lib, ret_reason) < 0)
		return NULL;
	if (lib.global_init(CURL_GLOBAL_DEFAULT) != 0)
		abort();
	s = xcalloc(1, sizeof(*s));
	s->lib = lib;
	s->location = l;
	s->work = work;
	s->signature = xasprintf("aws:amz:%s:s3", l->region);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void store_s3_free(struct store_s3 *s)
{
	if (!s)
		return;
	while (s->nidle)
		s->lib.easy_cleanup(s->idle[--s->nidle]);
	pthread_mutex_destroy(&s->lock);
	free(s->signature);
	s->lib.global_cleanup();
	free(s);
}

void store_s3_forget_connections(struct store_s3 *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->nidle)
		s->lib.easy_cleanup(s->idle[--s->nidle]);
	s->lives++;
	pthread_mutex_unlock(&s->lock);
}

static CURL *take_handle(struct store_s3 *s, unsigned *ret_life)
{
	CURL *curl = NULL;

	pthread_mutex_lock(&s->lock);
	*ret_life = s->lives;
	if (s->nidle)
		curl = s->idle[--s->nidle];
	pthread_mutex_unlock(&s->lock);
	if (!curl)
		curl = s->lib.easy_init();
	if (!curl)
		abort();
	return curl;
}

static void give_handle(struct store_s3 *s, CURL *take_curl, unsigned life)
{
	CURL *extra = take_curl;

	pthread_mutex_lock(&s->lock);
	if (life == s->lives && s->nidle < MAX_IDLE) {
		s->idle[s->nidle++] = take_curl;
		extra = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	s->lib.easy_cleanup(extra);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct s3_answer *a = arg;
	long status = 0;

	if (a->sink)
		a->s3->lib.easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200) {
		a->sunk = a->sink(a->arg, (str){data, size * n});
		return a->sunk < 0 ? 0 : size * n;
	}
	if (buf_len(&a->body) + size * n > STORE_OBJECT_MAX)
		return 0; /* ends the transfer as failed */
	buf_add(&a->body, (str){data, size * n});
	return size * n;
}

static bool read_field(str line, str name, str *ret_value)
{
	if (!str_starts_nocase(line, name))
		return false;
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	*ret_value = str_trim(str_slice(line, name.n, line.n));
	return true;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct s3_answer *a = arg;
	str line = {data, size * n}, value;
	int64_t date;

	if (read_field(line, STR("etag:"), &value) && value.n < sizeof(a->etag.text)) {
		memcpy(a->etag.text, value.p, value.n);
		a->etag.text[value.n] = '\0';
	}
	if (read_field(line, STR("date:"), &value) &&
		date_parse(value, (int64_t)time(NULL), &date) == 0 && date > 0)
		a->date = (uint64_t)date * 1000;
	return size * n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)a, (void)b, (void)c, (void)d;
	return work_is_stopping(arg);
}

static struct curl_slist *make_headers(const struct store_s3 *s, const struct request *r)
{
	const struct curl_library *lib = &s->lib;
	const struct location *l = s->location;
	char hash[SHA256_TEXT], text[STORE_ETAG_MAX + 64], moment[SIGNING_TIME_TEXT];
	struct curl_slist *headers = NULL;
	static const char *const always[] = {
		"Content-Type: application/json", "Accept-Encoding: identity", "Expect:"};

	sha256_text(r->body, hash);
	snprintf(text, sizeof(text), "x-amz-content-sha256: %s", hash);
	headers = lib->slist_append(headers, text);
	if (signing_time_text(moment)) { /* else libcurl takes the time from our clock */
		snprintf(text, sizeof(text), "X-Amz-Date: %s", moment);
		headers = lib->slist_append(headers, text);
	}
	for (size_t i = 0; i < NITEMS(always); i++)
		headers = lib->slist_append(headers, always[i]);
	if (r->condition)
		headers = lib->slist_append(headers, r->condition);
	if (strstr(l->endpoint, "tigris.dev") || strstr(l->endpoint, "t3.storage.dev"))
		headers = lib->slist_append(headers, "X-Tigris-Consistent: true");
	return headers;
}

static void set_options(struct store_s3 *s, CURL *curl, const struct request *r,
	struct s3_answer *a, char error[CURL_ERROR_SIZE], msec left)
{
	const struct curl_library *lib = &s->lib;
	const struct location *l = s->location;

	lib->easy_setopt(curl, CURLOPT_URL, r->url);
	lib->easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
	if (strcmp(r->method, "PUT") == 0) {
		lib->easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)r->body.n);
		lib->easy_setopt(curl, CURLOPT_POSTFIELDS, r->body.p);
	}
	lib->easy_setopt(curl, CURLOPT_AWS_SIGV4, s->signature);
	lib->easy_setopt(curl, CURLOPT_USERNAME, l->key_id);
	lib->easy_setopt(curl, CURLOPT_PASSWORD, l->secret);
	lib->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	lib->easy_setopt(curl, CURLOPT_PROXY, ""); /* like Litestream, whose environment has none */
	lib->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	lib->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(left, (msec)CONNECT_TIMEOUT));
	lib->easy_setopt(curl, CURLOPT_TIMEOUT_MS,
		(long)(r->is_long ? left : MIN(left, (msec)REQUEST_TIMEOUT)));
	lib->easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	lib->easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, REQUEST_TIMEOUT / 1000L);
	lib->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	lib->easy_setopt(curl, CURLOPT_WRITEDATA, a);
	lib->easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	lib->easy_setopt(curl, CURLOPT_HEADERDATA, a);
	lib->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	lib->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	lib->easy_setopt(curl, CURLOPT_XFERINFODATA, r->work);
	lib->easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
}

/* One try.  0 if there is an answer, whatever it says. */
static int perform(
	struct store_s3 *s, const struct request *r, struct s3_answer *a, struct why *why)
{
	char error[CURL_ERROR_SIZE] = "";
	msec now = clock_now();
	struct curl_slist *headers;
	unsigned life;
	CURL *curl;
	CURLcode code;

	if (now >= r->until) {
		why_set(why, "%s did not answer in time", s->location->endpoint);
		return -EIO;
	}
	buf_clear(&a->body);
	a->status = 0;
	a->etag.text[0] = '\0';
	a->date = 0;
	a->sunk = a->sink ? a->sink(a->arg, STR_EMPTY) : 0;
	headers = make_headers(s, r);
	curl = take_handle(s, &life);
	a->s3 = s;
	a->curl = curl;
	set_options(s, curl, r, a, error, r->until - now);
	s->lib.easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	code = s->lib.easy_perform(curl);
	s->lib.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
	s->lib.easy_reset(curl);
	give_handle(s, curl, life);
	s->lib.slist_free_all(headers);
	if (code == CURLE_OK || a->sunk < 0)
		return 0;
	why_set(why, "%s: %s", s->location->endpoint, *error ? error : s->lib.easy_strerror(code));
	return -EIO;
}

static bool is_passing(long status)
{
	return status == 408 || status == 429 || status >= 500;
}

/* The text between <name> and </name>, or empty. */
static str element(str xml, const char *name)
{
	CLEAN_FREE char *open = xasprintf("<%s>", name), *close = xasprintf("</%s>", name);
	ssize_t from = str_find(xml, str_of(open)), to;

	if (from < 0)
		return STR_EMPTY;
	xml = str_slice(xml, (size_t)from + strlen(open), xml.n);
	to = str_find(xml, str_of(close));
	return to < 0 ? STR_EMPTY : str_slice(xml, 0, (size_t)to);
}

static bool has_code(const struct s3_answer *a, str code)
{
	return str_eq(element(buf_str(&a->body), "Code"), code);
}

static int refuse_answer(struct store_s3 *s, const struct s3_answer *a, struct why *why)
{
	str code = element(buf_str(&a->body), "Code"), text = element(buf_str(&a->body), "Message");

	why_set(why, "%s (bucket %s) answered %ld " STR_FMT "%s" STR_FMT, s->location->endpoint,
		s->location->bucket, a->status, STR_ARG(code), text.n ? ": " : "",
		STR_ARG(str_slice(text, 0, 200)));
	return -EIO;
}

static void pause_for(msec length)
{
	poll(NULL, 0, (int)length);
}

/* Our clock stood still while we slept: the next try is signed by the store's. */
static bool is_skewed(const struct s3_answer *a)
{
	return a->status == 403 && a->date && has_code(a, STR("RequestTimeTooSkewed"));
}

static int perform_in_time(
	struct store_s3 *s, const struct request *r, struct s3_answer *a, struct why *why)
{
	int result = perform(s, r, a, why);

	if (result < 0 || !is_skewed(a))
		return result;
	signing_time_learn(a->date);
	return perform(s, r, a, why);
}

/* Until there is an answer worth reading. */
static int request_until_answered(
	struct store_s3 *s, struct request *r, struct s3_answer *a, struct why *why)
{
	msec pause = 100;
	int result = -EIO;

	r->work = s->work;
	for (int i = 0; i < MAX_TRIES && !work_is_stopping(s->work); i++, pause *= 3) {
		if (i > 0 && clock_now() + pause >= r->until)
			break;
		if (i > 0)
			pause_for(pause);
		result = perform_in_time(s, r, a, why);
		if (result == 0 && !is_passing(a->status))
			return 0;
		if (result == 0)
			result = refuse_answer(s, a, why);
	}
	if (work_is_stopping(s->work))
		why_set(why, "fly-atc is stopping");
	return result;
}

static char *object_url(const struct store_s3 *s, const char *key)
{
	CLEAN_FREE char *full = xasprintf("%s%s", s->location->prefix, key);

	return location_request_url(s->location, full, NULL);
}

int store_s3_get(struct store_s3 *s, const char *key, msec until, struct buf *ret_body,
	struct etag *ret_etag, struct why *ret_why)
{
	struct request r = {.method = "GET", .url = object_url(s, key), .until = until};
	struct s3_answer a = {0};
	int result = request_until_answered(s, &r, &a, ret_why);

	if (result == 0 && a.status == 404 && has_code(&a, STR("NoSuchKey"))) {
		result = -ENOENT;
	} else if (result == 0 && a.status != 200) {
		result = refuse_answer(s, &a, ret_why);
	} else if (result == 0) {
		buf_add(ret_body, buf_str(&a.body));
		*ret_etag = a.etag;
	}
	buf_done(&a.body);
	free(r.url);
	return result;
}

int store_s3_read(struct store_s3 *s, const char *key, msec until, store_sink *sink, void *arg,
	struct why *ret_why)
{
	struct request r = {
		.method = "GET", .url = object_url(s, key), .until = until, .is_long = true};
	struct s3_answer a = {.sink = sink, .arg = arg};
	int result = request_until_answered(s, &r, &a, ret_why);

	if (a.sunk < 0)
		result = a.sunk;
	else if (result == 0 && a.status == 404 && has_code(&a, STR("NoSuchKey")))
		result = -ENOENT;
	else if (result == 0 && a.status != 200)
		result = refuse_answer(s, &a, ret_why);
	buf_done(&a.body);
	free(r.url);
	return result;
}

static bool is_conflict(const struct s3_answer *a)
{
	return a->status == 412 || a->status == 409 ||
	       (a->status == 404 && has_code(a, STR("NoSuchKey")));
}

int store_s3_put(struct store_s3 *s, const char *key, str body, const struct etag *expected,
	msec until, struct etag *ret_etag, struct why *ret_why)
{
	char condition[STORE_ETAG_MAX + 32];
	struct request r = {.method = "PUT",
		.url = object_url(s, key),
		.body = body,
		.condition = condition,
		.until = until};
	struct s3_answer a = {0};
	int result;

	if (expected)
		snprintf(condition, sizeof(condition), "If-Match: %s", expected->text);
	else
		snprintf(condition, sizeof(condition), "If-None-Match: *");
	result = request_until_answered(s, &r, &a, ret_why);
	if (result == 0 && is_conflict(&a)) {
		why_set(ret_why, "%s %s", key,
			expected ? "was changed by somebody else" : "exists");
		result = -ESTALE;
	} else if (result == 0 && a.status != 200) {
		result = refuse_answer(s, &a, ret_why);
	} else if (result == 0) {
		*ret_etag = a.etag;
	}
	buf_done(&a.body);
	free(r.url);
	return result;
}

static int list(struct store_s3 *s, const char *prefix, unsigned max, msec until,
	struct s3_answer *a, struct why *ret_why)
{
	struct buf query = {0};
	struct request r = {.method = "GET", .until = until};
	int result;

	/* In alphabetical order, as the signature requires. */
	buf_printf(&query, "list-type=2&max-keys=%u&prefix=", max);
	for (const char *p = s->location->prefix; *p; p++)
		buf_printf(&query, *p == '/' ? "%%2F" : "%c", *p);
	for (const char *p = prefix; *p; p++)
		buf_printf(&query, *p == '/' ? "%%2F" : "%c", *p);
	buf_add_char(&query, '\0');
	r.url = location_request_url(s->location, "", query.p + query.start);
	result = request_until_answered(s, &r, a, ret_why);
	if (result == 0 &&
		(a->status != 200 || str_find(buf_str(&a->body), STR("<ListBucketResult")) < 0))
		result = refuse_answer(s, a, ret_why);
	buf_done(&query);
	free(r.url);
	return result;
}

int store_s3_has(struct store_s3 *s, const char *prefix, msec until, bool *ret, struct why *ret_why)
{
	struct s3_answer a = {0};
	int result = list(s, prefix, 1, until, &a, ret_why);

	if (result == 0)
		*ret = str_find(buf_str(&a.body), STR("<Contents>")) >= 0;
	buf_done(&a.body);
	return result;
}

static int remove_object(struct store_s3 *s, const char *full_key, msec until, struct why *ret_why)
{
	struct request r = {.method = "DELETE", .until = until};
	struct s3_answer a = {0};
	int result;

	r.url = location_request_url(s->location, full_key, NULL);
	result = request_until_answered(s, &r, &a, ret_why);
	if (result == 0 && a.status != 204 && a.status != 200 && a.status != 404)
		result = refuse_answer(s, &a, ret_why);
	buf_done(&a.body);
	free(r.url);
	return result;
}

int store_s3_remove(
	struct store_s3 *s, const char *prefix, unsigned max, msec until, struct why *ret_why)
{
	struct s3_answer a = {0};
	int result = list(s, prefix, max, until, &a, ret_why), removed = 0;
	str rest = buf_str(&a.body), key;

	while (result == 0 && (key = element(rest, "Key")).n) {
		CLEAN_FREE char *full_key = str_dup(key);

		rest = (str){key.p + key.n, (size_t)(rest.p + rest.n - key.p) - key.n};
		result = remove_object(s, full_key, until, ret_why);
		removed += result == 0;
	}
	buf_done(&a.body);
	return result < 0 ? result : removed;
}
