/* caching.c - an exchange and the cache: from the request to the decision. */
/* SPDX-License-Identifier: MIT */
#include "proxy/caching.h"

#include "http/conditional.h"
#include "proxy/asked.h"
#include "proxy/background.h"
#include "proxy/caching_int.h"
#include "proxy/lines.h"
#include "proxy/proxy_int.h"

/* Whoever waits for what another one brings asks for himself after that; earlier where nobody knows
 * yet whether it can be stored: what cannot should not be asked for one after the other. */
#define JOIN_LIMIT	   10000
#define JOIN_LIMIT_UNKNOWN 1000
/* After the first time others may have brought what this one cannot use (Vary). */
#define JOINS_MAX 2

struct cache *caching_cache(const struct exchange *x)
{
	return proxy_cache(x->worker->proxy);
}

struct cache_flights *caching_flights(const struct exchange *x)
{
	return proxy_flights(x->worker->proxy);
}

uint64_t caching_pattern(const struct exchange *x)
{
	return cache_pattern_of(x->tenant->owner, x->path);
}

struct cache_moment caching_moment(const struct exchange *x)
{
	return (struct cache_moment){loop_now(x->worker->loop), (int64_t)exchange_wall()};
}

void caching_count(struct exchange *x, bool is_hit)
{
	struct caching *c = x->caching;

	if (!c->is_counted)
		cache_count(c->key.share, is_hit);
	c->is_counted = true;
}

void caching_request(struct exchange *x, struct request_head *ret)
{
	struct asked asked;

	asked_read(&x->arena,
		x->caching && x->caching->asked.n ? x->caching->asked : buf_str(&x->request),
		&asked);
	*ret = (struct request_head){.headers = asked.headers, .nheaders = asked.nheaders};
}

/* --- the key --- */

static bool is_forwarded(const struct header *h)
{
	switch (h->id) {
	case HEADER_X_FORWARDED_PROTO:
	case HEADER_X_FORWARDED_HOST:
	case HEADER_X_FORWARDED_PORT:
	case HEADER_X_FORWARDED_SSL:
	case HEADER_X_FORWARDED_SCHEME:
	case HEADER_X_FORWARDED_SERVER:
	case HEADER_FLY_FORWARDED_PROTO:
		return true;
	case HEADER_OTHER:
		return str_starts_nocase(h->name, STR("x-forwarded-"));
	default: /* too many to name */
		return false;
	}
}

/* What the tenant is told about the way of the request, and makes links and redirects of: who tells
 * it something else must not get, or make, what others get. */
static void add_forwarded(struct buf *out, const struct request_head *head)
{
	for (size_t i = 0; i < head->nheaders; i++) {
		const struct header *h = &head->headers[i];

		if (!is_forwarded(h))
			continue;
		buf_add(out, h->name);
		buf_add_char(out, ':');
		add_line(out, h->value, STR_EMPTY);
	}
}

static struct cache_share *share_of(struct exchange *x)
{
	struct tenant *t = x->tenant;

	if (!t->share)
		t->share =
			cache_share(caching_cache(x), x->worker->slots, x->conf->slot, x->conf->id);
	return t->share;
}

/* In the worker's scratch; caching_keep_key makes it last. */
static void make_key(
	struct exchange *x, const struct request_head *head, const struct remote *remote)
{
	struct worker *w = x->worker;
	struct buf *scratch = &w->head_out;
	struct cache_target target = {
		.host = head->host,
		.path = x->path,
		.query = head->query,
		.has_query = head->has_query,
	};
	size_t n;

	buf_clear(scratch);
	if (remote->is_trusted && exchange_settings(x)->forward_headers)
		add_forwarded(scratch, head);
	n = buf_len(scratch);
	/* The key is written behind it; its part must not move then. */
	buf_room(scratch, 2 * n + target.host.n + target.path.n + target.query.n + 64);
	target.more = buf_str(scratch);
	cache_key_make(scratch, share_of(x), &target, &x->caching->key);
}

static void keep_key(struct exchange *x)
{
	x->caching->key.text = arena_dup(&x->arena, x->caching->key.text);
}

/* --- the decision --- */

/* Which fields that we know are there: nine of them matter here, in most requests none. */
struct fields_seen {
	uint64_t bits[2];
};
static_assert(HEADER_NIDS <= 128, "a bit for each");

static struct fields_seen look_at(const struct request_head *head)
{
	struct fields_seen seen = {{0}};

	for (size_t i = 0; i < head->nheaders; i++) {
		unsigned id = head->headers[i].id;

		seen.bits[id / 64] |= 1ull << id % 64;
	}
	return seen;
}

static bool has(const struct fields_seen *seen, enum header_id id)
{
	return seen->bits[id / 64] >> id % 64 & 1;
}

/* WHY_OK: the cache is asked. */
static enum cache_why why_not_asked(
	const struct exchange *x, const struct request_head *head, const struct fields_seen *seen)
{
	if (head->has_upgrade)
		return WHY_UPGRADE;
	if (x->method != METHOD_GET && x->method != METHOD_HEAD)
		return WHY_METHOD;
	if (head->body != BODY_NONE)
		return WHY_METHOD; /* it may mean anything */
	/* For the tenant alone to decide (RFC 9111 4.3.2). */
	if (has(seen, HEADER_IF_MATCH) || has(seen, HEADER_IF_UNMODIFIED_SINCE))
		return WHY_PRECONDITION;
	return exchange_settings(x)->cache_size ? WHY_OK : WHY_OFF;
}

/* Nobody waits for what is likely to be one person's. */
static bool may_join(const struct exchange *x, bool is_known)
{
	const struct caching *c = x->caching;

	return x->method == METHOD_GET && !c->has_range && !c->request.no_store &&
	       (is_known || (!c->has_cookie && !c->has_authorization));
}

/* Of paths like this one nothing is stored: nobody should wait for the first answer to each. */
static bool is_hopeless(const struct exchange *x)
{
	return cache_pattern_is_refused(
		proxy_patterns(x->worker->proxy), caching_pattern(x), loop_now(x->worker->loop));
}

/* What is stored cannot be used as it is. */
static void keep_old(struct caching *c, struct cache_entry *e, enum cache_why why)
{
	c->forwarded = why == WHY_REQUEST ? FORWARDED_REQUEST : FORWARDED_STALE;
	c->why = why;
	c->old = e;
	c->is_known = true;
}

/* Others may use what one of them gets.  What must be asked about each time would be asked about
 * one time after the other if they waited. */
static bool will_be_fresh(const struct exchange *x, enum cache_why why)
{
	const struct caching *c = x->caching;

	return why == WHY_STALE && c->old->terms.lifetime > 0 && !c->waits &&
	       !background_is(x->client);
}

/* Looks for it.  True: answered. */
static bool find(struct exchange *x, const struct request_head *head)
{
	struct caching *c = x->caching;
	struct cache_moment at;
	enum cache_use use;
	enum cache_why why;
	bool varies;
	struct cache_entry *e = cache_find(caching_cache(x), &c->key, head->headers, head->nheaders,
		loop_now(x->worker->loop), &x->worker->added, &varies);

	buf_clear(&x->worker->added);
	if (!e || e->kind != CACHE_RESPONSE) {
		c->forwarded = varies ? FORWARDED_VARY_MISS : FORWARDED_URI_MISS;
		c->may_join = !e && may_join(x, varies) && (varies || !is_hopeless(x));
		c->is_known = varies;
		cache_entry_unref(e);
		return false;
	}
	at = caching_moment(x);
	use = cache_may_use(&e->terms, cache_entry_age(e, &at), &c->request, &why);
	if (use == CACHE_VALIDATE || background_is(x->client)) {
		keep_old(c, e, why);
		c->may_join = will_be_fresh(x, why) && may_join(x, true);
		return false;
	}
	/* After a wait the request as it came is gone: the next one sees to the renewal. */
	if (use == CACHE_USE_REVALIDATE && !c->waits)
		caching_renew(x, e, head);
	caching_answer(x, e, head, 0);
	return true;
}

static bool ask(struct exchange *x, const struct request_head *head, const struct remote *remote)
{
	struct caching *c = x->caching;

	make_key(x, head, remote);
	if (find(x, head))
		return true;
	if (c->request.only_if_cached) {
		exchange_fail(x, ERROR_NOT_CACHED, STR_EMPTY);
		return true;
	}
	keep_key(x);
	return false;
}

bool caching_begin(struct exchange *x, const struct request_head *head, const struct remote *remote)
{
	struct caching *c;
	struct fields_seen seen;
	bool has_wishes;

	if (exchange_settings(x)->cache == CACHE_OFF)
		return false;
	seen = look_at(head);
	x->caching = c = arena_zalloc(&x->arena, sizeof(*c));
	c->has_authorization = has(&seen, HEADER_AUTHORIZATION);
	c->has_cookie = has(&seen, HEADER_COOKIE);
	c->has_range = has(&seen, HEADER_RANGE);
	has_wishes = has(&seen, HEADER_CACHE_CONTROL) || has(&seen, HEADER_PRAGMA);
	cache_control_of_request(head->headers, has_wishes ? head->nheaders : 0, &c->request);
	c->why = why_not_asked(x, head, &seen);
	if (background_is(x->client))
		x->is_logged = false;
	if (c->why == WHY_OK)
		return ask(x, head, remote);
	c->forwarded = c->why == WHY_METHOD ? FORWARDED_METHOD : FORWARDED_BYPASS;
	if (!method_is_safe(x->method) && !head->has_upgrade && exchange_settings(x)->cache_size) {
		make_key(x, head, remote);
		keep_key(x);
	}
	return false;
}

/* --- waiting for another exchange --- */

/* It has ended, or cannot be stored. */
static void on_landed(void *arg)
{
	struct exchange *x = arg;
	struct caching *c = x->caching;
	struct request_head head;

	c->waiter = NULL;
	x->state = EXCHANGE_ROUTED;
	client_deadline(x->client, MSEC_NEVER);
	caching_request(x, &head);
	cache_entry_unref(c->old);
	c->old = NULL;
	c->is_collapsed = true;
	if (find(x, &head))
		return;
	c->is_collapsed = false;
	hold_want_tenant(x);
}

/* True: we are to bring it; false: we wait. */
static bool join(struct exchange *x)
{
	struct caching *c = x->caching;
	struct worker *w = x->worker;

	if (cache_flight_join(
		    caching_flights(x), &c->key, w->loop, on_landed, x, &c->flight, &c->waiter))
		return true;
	c->waits++;
	x->state = EXCHANGE_JOINED;
	client_deadline(
		x->client, loop_now(w->loop) + (c->is_known ? JOIN_LIMIT : JOIN_LIMIT_UNKNOWN));
	return false;
}

static bool is_conditional(const struct header *h)
{
	switch (h->id) {
	case HEADER_IF_NONE_MATCH:
	case HEADER_IF_MODIFIED_SINCE:
	case HEADER_IF_RANGE:
	case HEADER_RANGE:
		return true;
	default: /* too many to name */
		return false;
	}
}

/* The head for the tenant, with our validators in the place of the client's. */
static void validate(struct exchange *x)
{
	struct caching *c = x->caching;
	const struct cache_entry *e = c->old;
	struct asked asked;

	c->asked = arena_dup(&x->arena, buf_str(&x->request));
	c->is_validating = true;
	asked_read(&x->arena, c->asked, &asked);
	buf_clear(&x->request);
	asked_write(&x->request, &asked, is_conditional);
	if (e->etag.n)
		add_line(&x->request, STR("If-None-Match: "), e->etag);
	if (e->last_modified.n)
		add_line(&x->request, STR("If-Modified-Since: "), e->last_modified);
	buf_add(&x->request, STR("\r\n"));
}

/* While the tenant sleeps all are held, with the limits that belong to that. */
static bool may_wait(const struct exchange *x)
{
	const struct caching *c = x->caching;

	return c->may_join && !c->flight && c->waits < JOINS_MAX &&
	       exchange_tenant_state(x) == TENANT_RUNNING;
}

bool caching_waits(struct exchange *x)
{
	struct caching *c = x->caching;

	if (!c || !c->key.share)
		return false;
	if (may_wait(x) && !join(x))
		return true;
	if (c->why != WHY_METHOD)
		caching_count(x, false);
	if (c->old && !c->is_validating && (c->old->etag.n || c->old->last_modified.n))
		validate(x);
	return false;
}

void caching_on_time(struct exchange *x)
{
	struct caching *c = x->caching;

	cache_waiter_cancel(caching_flights(x), c->waiter);
	c->waiter = NULL;
	c->may_join = false;
	x->state = EXCHANGE_ROUTED;
	hold_want_tenant(x);
}

/* --- the ends --- */

/* What the tenant, or the way to it, may be blamed for. */
static bool is_tenants(enum error error, bool *ret_is_dead)
{
	switch (error) {
	case ERROR_START_FAILED:
	case ERROR_START_TIMEOUT:
	case ERROR_STOPPED:
	case ERROR_TENANT_FAILED:
	case ERROR_TOO_MANY_HELD:
	case ERROR_CONNECT_FAILED:
	case ERROR_UPSTREAM_CLOSED:
	case ERROR_RESPONSE_TIMEOUT:
		*ret_is_dead = true;
		return true;
	case ERROR_BAD_RESPONSE:
		*ret_is_dead = false;
		return true;
	default: /* the client's, or ours */
		return false;
	}
}

bool caching_rescues(struct exchange *x, enum error error)
{
	struct caching *c = x->caching;
	struct cache_moment at;
	struct cache_entry *e;
	bool is_dead;

	if (!c || !c->old || x->answer_began || background_is(x->client) ||
		!is_tenants(error, &is_dead))
		return false;
	at = caching_moment(x);
	e = c->old;
	if (!cache_may_rescue(&e->terms, cache_entry_age(e, &at), is_dead))
		return false;
	c->old = NULL;
	if (x->state == EXCHANGE_HELD)
		hold_leave(x);
	caching_answer_later(x, e, 0);
	return true;
}

void caching_done(struct exchange *x)
{
	struct caching *c = x->caching;

	if (!c)
		return;
	cache_flight_land(caching_flights(x), c->flight);
	cache_waiter_cancel(caching_flights(x), c->waiter);
	if (c->old && background_is(x->client))
		atomic_store(&c->old->is_renewed, false);
	cache_entry_unref(c->old);
	x->caching = NULL;
}
