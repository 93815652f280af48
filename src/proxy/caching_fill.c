/* caching_fill.c - from the tenant to the cache: what its answer changes there, storing the body as
 * it passes, and the fields that tell the client about it. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/probe.h"
#include "http/uri.h"
#include "http/vary.h"
#include "proxy/caching_int.h"

/* For this long nobody waits for something that turned out not to be storable. */
#define REFUSED_FOR (5 * 60 * 1000)

struct fill {
	struct stage stage;
	struct response_head head; /* a copy in the arena */
	struct cache_terms terms;
	struct cache_moment at; /* it came */
	str names;		/* of Vary */
	struct buf body;
	size_t reserved;
	bool is_given_up;
};

/* --- what is not stored, and what is no longer valid --- */

static void land(struct exchange *x)
{
	struct caching *c = x->reply.caching;

	cache_flight_land(caching_flights(x), c->flight);
	c->flight = NULL;
}

/* Nobody waits for this answer any more, and nobody will for the next ones. */
static void refuse_fill(struct exchange *x)
{
	struct caching *c = x->reply.caching;
	struct cache_entry *e;

	if (!c->flight)
		return;
	e = cache_refusal_new(c->key.text, loop_now(x->worker->loop) + REFUSED_FOR);
	cache_store(caching_cache(x), &c->key, e);
	cache_entry_unref(e);
	land(x);
}

/* True of reasons that are the application's own and will hold next time, rather than due to this
 * request or this one answer. */
static bool is_habit(enum cache_why why, unsigned status)
{
	switch (why) {
	case WHY_NO_STORE:
	case WHY_PRIVATE:
	case WHY_GARBLED:
	case WHY_NOT_PUBLIC:
	case WHY_NO_LIFETIME:
	case WHY_STALE:
	case WHY_NO_CACHE:
	case WHY_SET_COOKIE:
	case WHY_VARY:
	case WHY_REPLAY:
	case WHY_NO_LENGTH:
		return status < 400;
	case WHY_OK:
	case WHY_OFF:
	case WHY_METHOD:
	case WHY_UPGRADE:
	case WHY_PRECONDITION:
	case WHY_AUTHORIZATION:
	case WHY_REQUEST_NO_STORE:
	case WHY_STATUS:
	case WHY_TOO_LARGE:
	case WHY_BUSY:
	case WHY_REQUEST:
	case NWHYS:
		break;
	}
	return false;
}

/* What was seen at one path is assumed of those like it. */
static void learn(struct exchange *x, unsigned status)
{
	struct cache_patterns *patterns = caching_patterns(x);
	const struct caching *c = x->reply.caching;

	if (c->why == WHY_OK)
		cache_pattern_allow(patterns, caching_pattern(x));
	else if (c->flight && is_habit(c->why, status))
		cache_pattern_refuse(patterns, caching_pattern(x), loop_now(x->worker->loop));
}

/* In the form that keys use (x->wish.path); false if it is not a path. */
static bool read_path(struct exchange *x, str raw, str *ret_path)
{
	str prefix = x->wish.conf->prefix;
	struct uri_path path;
	size_t at;

	if (uri_path_read(&x->arena, raw, &path, &at) < 0)
		return false;
	*ret_path = uri_path_below(
		&x->arena, &path, str_starts(path.routed, prefix) ? prefix : STR_EMPTY);
	return true;
}

/* The path and query of a URL of ours; false for URLs elsewhere. */
static bool url_of(struct exchange *x, str url, str *ret_path, str *ret_query, bool *ret_has_query)
{
	str rest = url;
	ssize_t slash, question;

	if (str_starts_nocase(url, STR("http://")) || str_starts_nocase(url, STR("https://")) ||
		str_starts(url, STR("//"))) {
		rest = str_slice(url, (size_t)str_find(url, STR("//")) + 2, url.n);
		slash = str_find_char(rest, '/');
		if (slash < 0 ||
			!str_eq_nocase(str_slice(rest, 0, (size_t)slash), x->reply.rewrite.host))
			return false;
		rest = str_slice(rest, (size_t)slash, rest.n);
	}
	if (!str_starts(rest, STR("/")))
		return false;
	rest = str_slice(rest, 0, (size_t)str_find_char(rest, '#'));
	question = str_find_char(rest, '?');
	*ret_has_query = question >= 0;
	*ret_query = question < 0 ? STR_EMPTY : str_slice(rest, (size_t)question + 1, rest.n);
	return read_path(x, str_slice(rest, 0, (size_t)question), ret_path);
}

/* The URL as the client would have been given it. */
static str rewritten(struct exchange *x, str url)
{
	const struct rewrite *r = respond_rewrite(x);
	struct buf out = {0};

	if (r && rewrite_url(&out, r, url))
		url = arena_dup(&x->arena, buf_str(&out));
	buf_done(&out);
	return url;
}

static void forget_url(struct exchange *x, str url)
{
	struct caching *c = x->reply.caching;
	struct buf text = {0};
	struct cache_key key;
	str path, query;
	bool has_query;

	if (!url.n || !url_of(x, rewritten(x, url), &path, &query, &has_query))
		return;
	cache_key_moved(&text, &c->key, path, query, has_query, &key);
	cache_forget(caching_cache(x), &key);
	buf_done(&text);
}

/* RFC 9111 4.4 */
static void invalidate(struct exchange *x, const struct response_head *h)
{
	struct caching *c = x->reply.caching;

	if (method_is_safe(x->wish.method) || !c->key.share || h->status < 200 || h->status >= 400)
		return;
	cache_forget(caching_cache(x), &c->key);
	forget_url(x, header_value(h->headers, h->nheaders, HEADER_LOCATION));
	forget_url(x, header_value(h->headers, h->nheaders, HEADER_CONTENT_LOCATION));
}

/* --- an answer about what is stored --- */

static struct cache_offer offer_of(const struct exchange *x, const struct response_head *h)
{
	const struct caching *c = x->reply.caching;

	return (struct cache_offer){
		.how = exchange_settings(x)->cache,
		.method = x->wish.method,
		.has_authorization = c->has_authorization,
		.no_store = c->request.no_store,
		.head = h,
		.now = (int64_t)(wall_msec() / 1000),
		.delay = x->record.upstream_ms / 1000,
	};
}

/* The tenant has confirmed it. */
static void renew_stored(struct exchange *x, const struct response_head *h)
{
	const struct server_conf *server = exchange_settings(x);
	struct head_limits limits = {
		.max_bytes = server->max_header_bytes,
		.max_headers = (size_t)server->max_headers,
	};
	struct caching *c = x->reply.caching;
	struct cache_offer offer = offer_of(x, h);
	struct cache_moment at = caching_moment(x);
	enum cache_why why;
	struct cache_entry *old = c->old,
			   *e = cache_response_renewed(old, h, &offer, &at, &limits, &why);

	c->old = NULL;
	c->stays = why == WHY_OK;
	if (c->stays) {
		cache_replace(caching_cache(x), old, e);
	} else {
		c->why = why;
		atomic_store(&old->is_renewed, false);
		if (why != WHY_REQUEST_NO_STORE)
			cache_drop(caching_cache(x), old);
	}
	land(x);
	trip_drop_upstream(x, h->keep_alive && x->trip.up.is_done);
	caching_answer_later(x, e ? e : cache_entry_ref(old), 304);
	cache_entry_unref(old);
}

static bool rescue(struct exchange *x, unsigned status)
{
	struct caching *c = x->reply.caching;
	struct cache_moment at = caching_moment(x);
	struct cache_entry *e = c->old;

	if (x->client->is_background ||
		!cache_may_rescue(&e->terms, cache_entry_age(e, &at), false))
		return false;
	c->old = NULL;
	caching_answer_later(x, e, status);
	return true;
}

enum step caching_take(struct exchange *x, const struct response_head *h)
{
	struct caching *c = x->reply.caching;

	if (!c)
		return WAIT;
	invalidate(x, h);
	if (!c->old)
		return WAIT;
	if (h->status >= 500)
		return rescue(x, h->status) ? STEP_SEND : WAIT;
	if (h->status != 304 || !c->is_validating)
		return WAIT;
	renew_stored(x, h);
	return STEP_SEND;
}

/* --- an answer that is stored --- */

/* What the exchange keeps of the head until the whole body has arrived. */
static void keep_head(struct exchange *x, struct fill *f, const struct response_head *h)
{
	struct arena *a = &x->arena;

	f->head = *h;
	f->head.reason = arena_dup(a, h->reason);
	f->head.headers = arena_alloc(a, h->nheaders * sizeof(struct header));
	for (size_t i = 0; i < h->nheaders; i++) {
		f->head.headers[i] = h->headers[i];
		f->head.headers[i].name = arena_dup(a, h->headers[i].name);
		f->head.headers[i].value = arena_dup(a, h->headers[i].value);
	}
	f->terms.hidden_fields = arena_dup(a, f->terms.hidden_fields);
	f->terms.private_fields = arena_dup(a, f->terms.private_fields);
}

/* Exactly as large as it is. */
static struct cache_body *take_body(struct buf *b)
{
	size_t n = buf_len(b);
	char *bytes = n ? xmalloc(n) : NULL;

	if (n)
		memcpy(bytes, buf_str(b).p, n);
	buf_done(b);
	return cache_body_new(bytes, n);
}

static void store(struct exchange *x, struct fill *f)
{
	struct cache *cache = caching_cache(x);
	struct cache_key key = x->reply.caching->key;
	struct buf text = {0};
	struct request_head request;
	struct cache_entry *e;

	if (f->names.n) {
		asked_head(&x->arena, &x->trip.asked, &x->trip.request, &request);
		cache_select(cache, &x->reply.caching->key, f->names, request.headers,
			request.nheaders, &text, &key);
	}
	e = cache_response_new(key.text, &f->head, &f->terms, &f->at, take_body(&f->body));
	cache_store(cache, &key, e);
	cache_entry_unref(e);
	buf_done(&text);
}

static void let_go(struct exchange *x, struct fill *f)
{
	buf_done(&f->body);
	cache_release(caching_cache(x), f->reserved);
	f->reserved = 0;
}

/* Room for as many bytes of body. */
static bool reserve(struct exchange *x, struct fill *f, size_t size)
{
	struct cache *cache = caching_cache(x);

	if (size > cache_max_item(cache))
		return false;
	if (size <= f->reserved)
		return true;
	size = MAX(size, MIN(f->reserved * 2, cache_max_item(cache)));
	if (!cache_reserve(cache, size - f->reserved))
		return false;
	f->reserved = size;
	return true;
}

/* It is stored before its end is sent, so that a client that has seen the end will find it. */
static int on_pass(struct stage *s, struct exchange *x, enum passing how)
{
	struct fill *f = container_of(s, struct fill, stage);
	const struct gather *p = &x->worker->scratch.payload;

	if (f->is_given_up)
		return 0;
	if (!reserve(x, f, buf_len(&f->body) + p->bytes)) {
		f->is_given_up = true;
		let_go(x, f);
		refuse_fill(x);
		return 0;
	}
	for (int i = 0; i < p->count; i++)
		buf_add(&f->body, (str){p->pieces[i].iov_base, p->pieces[i].iov_len});
	if (how == PASS_END) {
		store(x, f);
		land(x);
	}
	return 0;
}

static void on_over(struct stage *s, struct exchange *x, bool is_whole)
{
	struct fill *f = container_of(s, struct fill, stage);

	(void)is_whole;
	let_go(x, f);
}

static const struct stage_ops fill_ops = {.pass = on_pass, .over = on_over};

/* WHY_OK: *f is filled, except for what keep_head keeps. */
static enum cache_why prepare(struct exchange *x, const struct response_head *h, struct fill *f)
{
	struct cache_offer offer = offer_of(x, h);
	enum cache_why why = cache_may_store(&offer, &f->terms);
	struct buf names = {0};

	if (why != WHY_OK)
		return why;
	/* The body ends with its connection, and nobody can tell whether that was its end or the
	 * tenant's. */
	if (h->body == BODY_UNTIL_CLOSE)
		return WHY_NO_LENGTH;
	if (!vary_names(&names, h->headers, h->nheaders))
		return WHY_VARY;
	f->names = arena_dup(&x->arena, buf_str(&names));
	buf_done(&names);
	if (h->has_content_length && h->content_length > cache_max_item(caching_cache(x)))
		return WHY_TOO_LARGE;
	if (!cache_max_item(caching_cache(x)))
		return WHY_TOO_LARGE;
	if (!reserve(x, f, MAX(h->content_length, (uint64_t)1)))
		return WHY_BUSY;
	f->at = caching_moment(x);
	return WHY_OK;
}

static void start_fill(struct exchange *x, struct response_head *h, struct fill *found)
{
	struct fill *f = arena_alloc(&x->arena, sizeof(*f));

	*f = *found;
	keep_head(x, f, h);
	f->stage.ops = &fill_ops;
	if (h->content_length)
		buf_room(&f->body, h->content_length);
	if (f->terms.drops_cookies)
		stages_drop(h, HEADER_SET_COOKIE);
	stages_put(x, &f->stage, false);
}

/* Fields that we write ourselves, and fields that were meant for us alone. */
static void drop_ours(struct response_head *h)
{
	for (size_t i = 0; i < h->nheaders; i++)
		if (h->headers[i].id == HEADER_X_CACHE ||
			h->headers[i].id == HEADER_FLY_ATC_CACHE_CONTROL)
			h->headers[i].is_hop = true;
}

/* --- what we say about it --- */

static const str forwarded_texts[] = {
	[FORWARDED_NOT] = STR_INIT(""),
	[FORWARDED_URI_MISS] = STR_INIT("uri-miss"),
	[FORWARDED_VARY_MISS] = STR_INIT("vary-miss"),
	[FORWARDED_STALE] = STR_INIT("stale"),
	[FORWARDED_REQUEST] = STR_INIT("request"),
	[FORWARDED_METHOD] = STR_INIT("method"),
	[FORWARDED_BYPASS] = STR_INIT("bypass"),
};

/* What Thruster says in X-Cache; a cache without memory misses. */
static str x_cache(const struct caching *c)
{
	bool is_asked = c->key.share || c->why == WHY_OFF;

	if (c->hit)
		return STR("hit");
	return is_asked && c->forwarded != FORWARDED_METHOD && !c->has_range ? STR("miss")
									     : STR("bypass");
}

/* RFC 9211. */
static void add_cache_status(
	struct buf *out, const struct caching *c, unsigned fwd_status, bool is_stored, int64_t ttl)
{
	buf_add(out, STR("Cache-Status: fly-atc"));
	if (c->forwarded == FORWARDED_NOT) {
		buf_add(out, STR("; hit; ttl="));
		caching_add_number(out, ttl);
	} else {
		buf_add(out, STR("; fwd="));
		buf_add(out, forwarded_texts[c->forwarded]);
		if (fwd_status) {
			buf_add(out, STR("; fwd-status="));
			buf_add_number(out, fwd_status);
		}
	}
	if (is_stored)
		buf_add(out, STR("; stored"));
	if (c->is_collapsed)
		buf_add(out, STR("; collapsed"));
	if (c->why != WHY_OK && !is_stored) {
		buf_add(out, STR("; detail="));
		buf_add(out, cache_why_text(c->why));
	}
	buf_add(out, STR("\r\n"));
}

void caching_add_status(struct exchange *x, unsigned fwd_status, bool is_stored, int64_t ttl)
{
	struct caching *c = x->reply.caching;

	x->record.cache = x_cache(c);
	PROBE4(cache_verdict, x, x->record.cache.p, x->record.cache.n, c->why);
	stages_add(x, STR("X-Cache: "), x->record.cache);
	add_cache_status(&x->worker->scratch.added, c, fwd_status, is_stored, ttl);
}

void caching_head(struct exchange *x, struct response_head *h)
{
	struct caching *c = x->reply.caching;
	struct fill found = {0};
	unsigned fwd_status = 0;
	bool is_stored = false;

	if (!c)
		return;
	drop_ours(h);
	if (c->key.share) {
		c->why = prepare(x, h, &found);
		is_stored = c->why == WHY_OK;
		learn(x, h->status);
		fwd_status = c->old ? h->status : 0;
	}
	if (is_stored)
		start_fill(x, h, &found);
	else
		refuse_fill(x);
	caching_add_status(x, fwd_status, is_stored, 0);
}
