/* caching.c - decides, for a request, what the cache may do. */
/* SPDX-License-Identifier: MIT */
#include "proxy/caching.h"

#include "http/conditional.h"
#include "proxy/caching_int.h"
#include "proxy/lines.h"
#include "proxy/shared.h"

/* A request that has waited for another exchange's answer asks the tenant itself after this time;
 * sooner where nobody knows yet whether the answer can be stored, since what cannot be stored
 * should not be fetched by one request after the other. */
#define JOIN_LIMIT	   10000
#define JOIN_LIMIT_UNKNOWN 1000
/* From the second time on, the others may have fetched something that this one cannot use
 * (Vary). */
#define JOINS_MAX 2

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

/* What the tenant is told about how the request came, and builds links and redirects from.  A
 * client that sends something else here must neither get what others get, nor leave its own for
 * them. */
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
	struct worker_tenant *t = x->trip.tenant;

	if (!t->share)
		t->share = cache_share(caching_cache(x), x->worker->by_slot.slots,
			x->wish.conf->slot, x->wish.conf->id);
	return t->share;
}

/* In the worker's scratch, until keep_key or drop_key. */
static void make_key(
	struct exchange *x, const struct request_head *head, const struct remote *remote)
{
	struct worker *w = x->worker;
	struct buf *scratch = scratch_lend(&w->scratch.key);
	struct cache_target target = {
		.host = head->host,
		.path = x->wish.path,
		.query = head->query,
		.has_query = head->has_query,
	};
	size_t n;

	if (remote->is_trusted && exchange_settings(x)->forward_headers)
		add_forwarded(scratch, head);
	n = buf_len(scratch);
	/* The key is written after it, so it must not move until then. */
	buf_room(scratch, 2 * n + target.host.n + target.path.n + target.query.n + 64);
	target.more = buf_str(scratch);
	cache_key_make(scratch, share_of(x), &target, &x->reply.caching->key);
}

static void keep_key(struct exchange *x)
{
	x->reply.caching->key.text = arena_dup(&x->arena, x->reply.caching->key.text);
	scratch_return(&x->worker->scratch.key);
}

/* It is no longer needed. */
static void drop_key(struct exchange *x)
{
	x->reply.caching->key.text = STR_EMPTY;
	scratch_return(&x->worker->scratch.key);
}

/* --- the decision --- */

static bool has(const struct exchange *x, enum header_id id)
{
	return arrival_has(x->wish.arrival, id);
}

/* WHY_OK: the cache is asked. */
static enum cache_why why_not_asked(const struct exchange *x, const struct request_head *head)
{
	if (head->has_upgrade)
		return WHY_UPGRADE;
	if (!exchange_is_read(x))
		return WHY_METHOD;
	if (head->body != BODY_NONE)
		return WHY_METHOD; /* it may mean anything */
	/* For the tenant alone to decide (RFC 9111 4.3.2). */
	if (has(x, HEADER_IF_MATCH) || has(x, HEADER_IF_UNMODIFIED_SINCE))
		return WHY_PRECONDITION;
	return exchange_settings(x)->cache_size ? WHY_OK : WHY_OFF;
}

/* Nobody waits for an answer that is probably personal. */
static bool may_join(const struct exchange *x, bool is_known)
{
	const struct caching *c = x->reply.caching;

	return x->wish.method == METHOD_GET && !c->has_range && !c->request.no_store &&
	       (is_known || (!c->has_cookie && !c->has_authorization));
}

/* Nothing from paths like this one is stored: nobody should wait for the first answer to each. */
static bool is_hopeless(const struct exchange *x)
{
	return cache_pattern_is_refused(
		caching_patterns(x), caching_pattern(x), loop_now(x->worker->loop));
}

/* What is stored cannot be used without asking. */
static void keep_old(struct caching *c, struct cache_entry *e, enum cache_why why)
{
	c->forwarded = why == WHY_REQUEST ? FORWARDED_REQUEST : FORWARDED_STALE;
	c->why = why;
	c->old = e;
	c->is_known = true;
}

/* Others may use what one of them fetches.  What has to be revalidated each time would be asked for
 * one request after the other if they waited. */
static bool will_be_fresh(const struct exchange *x, enum cache_why why)
{
	const struct caching *c = x->reply.caching;

	return why == WHY_STALE && c->old->terms.lifetime > 0 && !c->waits &&
	       !x->client->is_background;
}

/* True: what is stored answers the request. */
static bool answer_stored(struct exchange *x, const struct request_head *head)
{
	struct caching *c = x->reply.caching;
	struct cache_moment at;
	enum cache_use use;
	enum cache_why why;
	bool varies;
	struct cache_entry *e;

	e = cache_find(caching_cache(x), &c->key, head->headers, head->nheaders,
		loop_now(x->worker->loop), scratch_lend(&x->worker->scratch.selector), &varies);
	scratch_return(&x->worker->scratch.selector);
	if (!e || e->kind != CACHE_RESPONSE) {
		c->forwarded = varies ? FORWARDED_VARY_MISS : FORWARDED_URI_MISS;
		c->may_join = !e && may_join(x, varies) && (varies || !is_hopeless(x));
		c->is_known = varies;
		cache_entry_unref(e);
		return false;
	}
	at = caching_moment(x);
	use = cache_may_use(&e->terms, cache_entry_age(e, &at), &c->request, &why);
	if (use == CACHE_VALIDATE || x->client->is_background) {
		keep_old(c, e, why);
		c->may_join = will_be_fresh(x, why) && may_join(x, true);
		return false;
	}
	/* After a wait the request as it came is gone, so the next one starts the renewal. */
	if (use == CACHE_USE_REVALIDATE && !c->waits)
		caching_renew(x, e, head);
	caching_answer(x, e, head, 0);
	return true;
}

static enum step ask_cache(struct exchange *x, const struct request_head *head)
{
	struct caching *c = x->reply.caching;

	make_key(x, head, &x->wish.arrival->remote);
	if (answer_stored(x, head)) {
		drop_key(x);
		return STEP_SEND;
	}
	if (c->request.only_if_cached) {
		drop_key(x);
		return exchange_fail(x, ERROR_NOT_CACHED, STR_EMPTY);
	}
	keep_key(x);
	return STEP_REST;
}

enum step caching_step(struct exchange *x)
{
	const struct request_head *head = x->wish.arrival->head;
	struct caching *c;
	bool has_wishes;

	if (exchange_settings(x)->cache == CACHE_OFF)
		return STEP_REST;
	x->reply.caching = c = arena_zalloc(&x->arena, sizeof(*c));
	c->has_authorization = has(x, HEADER_AUTHORIZATION);
	c->has_cookie = has(x, HEADER_COOKIE);
	c->has_range = has(x, HEADER_RANGE);
	has_wishes = has(x, HEADER_CACHE_CONTROL) || has(x, HEADER_PRAGMA);
	cache_control_of_request(head->headers, has_wishes ? head->nheaders : 0, &c->request);
	c->why = why_not_asked(x, head);
	if (x->client->is_background)
		x->is_logged = false;
	if (c->why == WHY_OK)
		return ask_cache(x, head);
	c->forwarded = c->why == WHY_METHOD ? FORWARDED_METHOD : FORWARDED_BYPASS;
	if (!method_is_safe(x->wish.method) && !head->has_upgrade &&
		exchange_settings(x)->cache_size) {
		make_key(x, head, &x->wish.arrival->remote);
		keep_key(x);
	}
	return STEP_REST;
}

/* --- waiting for another exchange --- */

/* The other exchange has ended, or its answer cannot be stored. */
static void on_landed(void *arg)
{
	struct exchange *x = arg;

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	x->reply.caching->waiter = NULL;
	exchange_wake(x, EVENT_LANDED);
}

/* True: this exchange fetches it; false: it waits. */
static bool join_flight(struct exchange *x)
{
	struct caching *c = x->reply.caching;
	struct worker *w = x->worker;

	if (cache_flight_join(
		    caching_flights(x), &c->key, w->loop, on_landed, x, &c->flight, &c->waiter))
		return true;
	c->waits++;
	client_deadline(
		x->client, loop_now(w->loop) + (c->is_known ? JOIN_LIMIT : JOIN_LIMIT_UNKNOWN));
	return false;
}

/* Our validators replace the client's. */
static void validate(struct exchange *x)
{
	struct caching *c = x->reply.caching;

	c->is_validating = true;
	asked_validate(
		&x->arena, &x->trip.asked, c->old->etag, c->old->last_modified, &x->trip.request);
}

/* While the tenant sleeps, all requests are held, under the limits for held requests. */
static bool may_wait(const struct exchange *x)
{
	const struct caching *c = x->reply.caching;

	return c->may_join && !c->flight && c->waits < JOINS_MAX &&
	       state_serves(exchange_tenant_state(x));
}

/* It waits for nobody: it asks the tenant. */
static enum step ask_tenant(struct exchange *x)
{
	struct caching *c = x->reply.caching;

	if (c->why != WHY_METHOD)
		caching_count(x, false);
	if (c->old && !c->is_validating && (c->old->etag.n || c->old->last_modified.n))
		validate(x);
	return STEP_TENANT;
}

static enum step look_up_again(struct exchange *x)
{
	struct caching *c = x->reply.caching;
	struct request_head head;

	asked_head(&x->arena, &x->trip.asked, &x->trip.request, &head);
	cache_entry_unref(c->old);
	c->old = NULL;
	c->is_collapsed = true;
	if (answer_stored(x, &head))
		return STEP_SEND;
	c->is_collapsed = false;
	return may_wait(x) && !join_flight(x) ? WAIT : ask_tenant(x);
}

static void leave_flight(struct exchange *x)
{
	struct caching *c = x->reply.caching;

	cache_waiter_cancel(caching_flights(x), c->waiter);
	c->waiter = NULL;
}

/* While it waits for another exchange. */
static enum step on_waiting_event(struct exchange *x)
{
	if (x->happened & EVENT_CLIENT_EOF)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (x->happened & EVENT_LANDED) {
		client_deadline(x->client, MSEC_NEVER);
		return look_up_again(x);
	}
	if (!(x->happened & EVENT_CLIENT_TIME))
		return WAIT;
	leave_flight(x);
	x->reply.caching->may_join = false; /* it takes too long */
	return ask_tenant(x);
}

enum step caching_join(struct exchange *x)
{
	struct caching *c = x->reply.caching;

	if (!c || !c->key.share)
		return STEP_TENANT;
	if (x->happened)
		return on_waiting_event(x);
	return may_wait(x) && !join_flight(x) ? WAIT : ask_tenant(x);
}

/* --- the ends --- */

/* The failures that are the tenant's, or those of the way to it. */
static bool is_tenants(enum error error, bool *ret_is_dead)
{
	switch (error) {
	case ERROR_START_FAILED:
	case ERROR_START_TIMEOUT:
	case ERROR_STOPPED:
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

bool caching_rescue(struct exchange *x, enum error error)
{
	struct caching *c = x->reply.caching;
	struct cache_moment at;
	struct cache_entry *e;
	bool is_dead;

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	if (!c || !c->old || x->reply.answer_began || x->client->is_background ||
		!is_tenants(error, &is_dead))
		return false;
	at = caching_moment(x);
	e = c->old;
	if (!cache_may_rescue(&e->terms, cache_entry_age(e, &at), is_dead))
		return false;
	c->old = NULL;
	caching_answer_later(x, e, 0);
	return true;
}

void caching_done(struct exchange *x)
{
	struct caching *c = x->reply.caching;

	if (c->flight)
		cache_flight_land(caching_flights(x), c->flight);
	if (c->waiter)
		cache_waiter_cancel(caching_flights(x), c->waiter);
	if (c->old && x->client->is_background)
		atomic_store(&c->old->is_renewed, false);
	cache_entry_unref(c->old);
	x->reply.caching = NULL;
}
