/* caching_answer.c - from the cache to the client: 200, 206, 304, 416. */
/* SPDX-License-Identifier: MIT */
#include "http/conditional.h"
#include "http/range.h"
#include "http/status.h"
#include "proxy/caching_int.h"
#include "proxy/parts.h"

struct stored_answer {
	struct exchange *x;
	struct cache_entry *e;
	struct response_head head;
	int64_t age, ttl;
};

static struct validators validators_of(const struct cache_entry *e)
{
	return (struct validators){
		.etag = e->etag,
		.has_last_modified = e->terms.has_last_modified,
		.last_modified = e->terms.last_modified,
		.date = e->terms.date,
	};
}

/* A request that asks whether something has changed since a date, where the stored answer has no
 * date of its own: it cannot be newer than the moment it was sent (RFC 9111 4.3.2). */
static void date_by_date(struct validators *v)
{
	if (v->has_last_modified || v->etag.n)
		return;
	v->has_last_modified = true;
	v->last_modified = v->date;
}

static bool is_unchanged(const struct stored_answer *a, const struct request_head *head)
{
	struct validators v = validators_of(a->e);

	if (a->e->status != 200)
		return false;
	date_by_date(&v);
	return precondition_not_modified(
		head->headers, head->nheaders, &v, (int64_t)(wall_msec() / 1000));
}

static enum range_verdict find_parts(const struct stored_answer *a, const struct request_head *head,
	struct range *parts, size_t *ret_n)
{
	struct validators v = validators_of(a->e);

	if (a->e->status != 200 || !precondition_range_holds(head->headers, head->nheaders, &v,
					   (int64_t)(wall_msec() / 1000)))
		return RANGE_WHOLE;
	return range_of_request(head->headers, head->nheaders, a->x->wish.method,
		a->e->body->bytes.n, parts, ret_n);
}

/* The stored fields, as many as fit. */
static void begin_head(struct stored_answer *a, unsigned status)
{
	size_t size = a->e->nheaders * sizeof(struct header);
	struct header *headers = arena_alloc(&a->x->arena, size);

	memcpy(headers, a->e->headers, size);
	a->head = (struct response_head){
		.status = status,
		.minor = 1,
		.reason = status == a->e->status ? a->e->reason : status_reason(status),
		.headers = headers,
		.nheaders = a->e->nheaders,
	};
}

static void unref_entry(void *owner)
{
	cache_entry_unref(owner);
}

static void send_segments(struct stored_answer *a, struct segment *segments, size_t n)
{
	struct exchange *x = a->x;
	struct source source = {
		.segments = segments,
		.count = n,
		.stored = a->e,
		.unref = unref_entry,
		.owner = a->e,
	};
	enum step next = respond_segments(x, &a->head, &source);

	assert(next == STEP_SEND); /* it is memory */
}

static struct segment *text_segment(struct exchange *x, str text)
{
	struct segment *s = arena_alloc(&x->arena, sizeof(*s));

	*s = (struct segment){.text = text, .fd = -1};
	return s;
}

static void send_not_modified(struct stored_answer *a)
{
	begin_head(a, 304);
	stages_drop(&a->head, HEADER_CONTENT_TYPE);
	stages_drop(&a->head, HEADER_CONTENT_ENCODING);
	send_segments(a, text_segment(a->x, STR_EMPTY), 1);
}

static void send_whole(struct stored_answer *a)
{
	begin_head(a, a->e->status);
	send_segments(a, text_segment(a->x, a->e->body->bytes), 1);
}

static void send_parts(struct stored_answer *a, const struct range *parts, size_t n)
{
	struct segment *whole = text_segment(a->x, a->e->body->bytes), *segments;

	begin_head(a, 206);
	segments = parts_make(a->x, &a->head, whole, parts, n, &n);
	send_segments(a, segments, n);
}

static void send_unsatisfiable(struct stored_answer *a)
{
	begin_head(a, 416);
	parts_refuse(a->x, &a->head, a->e->body->bytes.n);
	send_segments(a, text_segment(a->x, STR_EMPTY), 1);
}

void caching_answer(struct exchange *x, struct cache_entry *take_entry,
	const struct request_head *head, unsigned fwd_status)
{
	struct caching *c = x->reply.caching;
	struct cache_moment at = caching_moment(x);
	struct stored_answer a = {.x = x, .e = take_entry, .age = cache_entry_age(take_entry, &at)};
	struct range *parts = NULL;
	enum range_verdict verdict = RANGE_WHOLE;
	bool unchanged = is_unchanged(&a, head);
	size_t n = 0;

	if (!unchanged && header_find(head->headers, head->nheaders, HEADER_RANGE)) {
		parts = arena_alloc(&x->arena, RANGE_MAX * sizeof(*parts));
		verdict = find_parts(&a, head, parts, &n);
	}
	c->hit = take_entry;
	if (!c->is_collapsed && !fwd_status)
		c->why = WHY_OK;
	a.ttl = take_entry->terms.lifetime - a.age;
	caching_count(x, true);
	buf_add(&x->worker->scratch.added, STR("Age: "));
	caching_add_number(&x->worker->scratch.added, a.age);
	buf_add(&x->worker->scratch.added, STR("\r\n"));
	caching_add_status(x, fwd_status, fwd_status == 304 && c->stays, a.ttl);
	if (unchanged)
		send_not_modified(&a);
	else if (verdict == RANGE_PARTS)
		send_parts(&a, parts, n);
	else if (verdict == RANGE_UNSATISFIABLE)
		send_unsatisfiable(&a);
	else
		send_whole(&a);
}

void caching_answer_later(struct exchange *x, struct cache_entry *take_entry, unsigned fwd_status)
{
	struct request_head head;

	asked_head(&x->arena, &x->trip.asked, &x->trip.request, &head);
	caching_answer(x, take_entry, &head, fwd_status);
}

void caching_renew(struct exchange *x, struct cache_entry *e, const struct request_head *head)
{
	struct worker *w = x->worker;
	struct request_head get = *head;

	/* A sleeping tenant stays asleep: the stored answer may be used, so it is. */
	if (!state_serves(exchange_tenant_state(x)) || w->is_draining ||
		atomic_exchange(&e->is_renewed, true))
		return;
	get.method = METHOD_GET;
	get.method_text = STR("GET");
	w->renew(w, &get, &x->client->peer);
}
