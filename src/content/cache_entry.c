/* cache_entry.c - lays an entry out in one piece of memory. */
/* SPDX-License-Identifier: MIT */
#include "content/cache_entry.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "http/field.h"
#include "http/vary.h"

struct cache_body *cache_body_new(char *take_bytes, size_t n)
{
	struct cache_body *b = xcalloc(1, sizeof(*b));

	MAGIC_BEGIN(b, CACHE_BODY_MAGIC);
	atomic_init(&b->refs, 1);
	b->bytes = (str){take_bytes ? take_bytes : "", n};
	if (!n)
		free(take_bytes);
	return b;
}

static struct cache_body *cache_body_ref(struct cache_body *b)
{
	MAGIC_CHECK(b, CACHE_BODY_MAGIC);
	unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);

	assert(before);
	return b;
}

static void cache_body_unref(struct cache_body *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < CACHE_CODINGS; i++)
		free(atomic_load_explicit(&b->coded[i], memory_order_relaxed));
	if (b->bytes.n)
		free((void *)(uintptr_t)b->bytes.p);
	MAGIC_END(b, CACHE_BODY_MAGIC);
	free(b);
}

struct cache_entry *cache_entry_ref(struct cache_entry *e)
{
	MAGIC_CHECK(e, CACHE_ENTRY_MAGIC); /* which it has as long as it has references */
	atomic_fetch_add_explicit(&e->store.refs, 1, memory_order_relaxed);
	return e;
}

void cache_entry_unref(struct cache_entry *e)
{
	if (!e || atomic_fetch_sub_explicit(&e->store.refs, 1, memory_order_acq_rel) != 1)
		return;
	assert(!e->store.is_stored && list_is_empty(&e->store.queue));
	cache_body_unref(e->body);
	MAGIC_END(e, CACHE_ENTRY_MAGIC);
	free(e);
}

/* --- making one --- */

static bool is_our_field(enum header_id id)
{
	return id == HEADER_AGE || id == HEADER_X_CACHE || id == HEADER_CONTENT_LENGTH ||
	       id == HEADER_FLY_ATC_CACHE_CONTROL || id == HEADER_TRAILER ||
	       id == HEADER_PROXY_AUTHENTICATION_INFO;
}

static bool is_kept(const struct header *h, const struct cache_terms *terms)
{
	if (h->is_hop || is_our_field(h->id) ||
		(h->id == HEADER_SET_COOKIE && terms->drops_cookies))
		return false;
	return !str_list_has(terms->hidden_fields, h->name) &&
	       !str_list_has(terms->private_fields, h->name);
}

/* Writes into the room after an entry. */
struct writer {
	char *at;
};

static str put_copy(struct writer *w, str s)
{
	char *at = w->at;

	if (s.n)
		memcpy(at, s.p, s.n);
	w->at += s.n;
	return (str){at, s.n};
}

static void put_header(struct writer *w, struct header *to, const struct header *from)
{
	*to = (struct header){.id = from->id, .is_hop = false};
	to->name = put_copy(w, from->name);
	put_copy(w, STR(": "));
	to->value = put_copy(w, from->value);
	put_copy(w, STR("\r\n"));
}

static struct cache_entry *entry_new(
	enum cache_kind kind, str key, size_t text, size_t nheaders, struct writer *w)
{
	/* The headers come first, for their alignment. */
	size_t room = nheaders * sizeof(struct header) + key.n + text;
	struct cache_entry *e = xcalloc(1, sizeof(*e) + room);

	MAGIC_BEGIN(e, CACHE_ENTRY_MAGIC);
	static_assert(sizeof(struct cache_entry) % _Alignof(struct header) == 0, "headers follow");
	atomic_init(&e->store.refs, 1);
	list_init(&e->store.queue);
	e->kind = kind;
	e->store.size = sizeof(*e) + room;
	w->at = e->text + nheaders * sizeof(struct header);
	e->key = put_copy(w, key);
	return e;
}

static size_t line_size(const struct header *h)
{
	return h->name.n + h->value.n + 4;
}

static void find_fields(struct cache_entry *e)
{
	const struct header *h = e->headers;

	e->etag = header_value(h, e->nheaders, HEADER_ETAG);
	e->last_modified = header_value(h, e->nheaders, HEADER_LAST_MODIFIED);
	e->type = header_value(h, e->nheaders, HEADER_CONTENT_TYPE);
}

static void set_terms(
	struct cache_entry *e, const struct cache_terms *terms, const struct cache_moment *at)
{
	e->terms = *terms;
	e->terms.hidden_fields = e->terms.private_fields = STR_EMPTY;
	e->came = at->now;
	e->came_wall = at->wall;
}

struct cache_entry *cache_response_new(str key, const struct response_head *h,
	const struct cache_terms *terms, const struct cache_moment *at,
	struct cache_body *take_body)
{
	size_t text = h->reason.n, n = 0;
	struct cache_entry *e;
	struct header *headers;
	struct writer w;

	for (size_t i = 0; i < h->nheaders; i++) {
		if (!is_kept(&h->headers[i], terms))
			continue;
		text += line_size(&h->headers[i]);
		n++;
	}
	e = entry_new(CACHE_RESPONSE, key, text, n, &w);
	headers = (struct header *)(void *)e->text;
	e->headers = headers;
	e->nheaders = n;
	e->status = h->status;
	e->reason = put_copy(&w, h->reason);
	for (size_t i = 0; i < h->nheaders; i++)
		if (is_kept(&h->headers[i], terms))
			put_header(&w, headers++, &h->headers[i]);
	find_fields(e);
	set_terms(e, terms, at);
	e->body = take_body;
	e->store.size += sizeof(*e->body) + e->body->bytes.n;
	for (size_t i = 0; i < CACHE_CODINGS; i++) {
		const struct cache_coded *c =
			atomic_load_explicit(&e->body->coded[i], memory_order_acquire);

		e->store.size += c ? sizeof(*c) + c->n : 0;
	}
	return e;
}

/* What describes the stored bytes is not changed by an answer without bytes. */
static bool is_about_body(enum header_id id)
{
	return id == HEADER_CONTENT_LENGTH || id == HEADER_CONTENT_ENCODING ||
	       id == HEADER_CONTENT_RANGE;
}

static bool is_replaced(const struct header *h, const struct response_head *by)
{
	const struct header *other;

	if (is_about_body(h->id))
		return false;
	other = header_find_name(by->headers, by->nheaders, h->name);
	return other && !other->is_hop;
}

static void merge(struct arena *a, const struct cache_entry *old, const struct response_head *by,
	struct response_head *ret)
{
	struct header *to = arena_alloc(a, (old->nheaders + by->nheaders) * sizeof(*to));

	*ret = (struct response_head){
		.status = old->status, .minor = 1, .reason = old->reason, .headers = to};
	for (size_t i = 0; i < old->nheaders; i++)
		if (!is_replaced(&old->headers[i], by))
			to[ret->nheaders++] = old->headers[i];
	for (size_t i = 0; i < by->nheaders; i++)
		if (!is_about_body(by->headers[i].id))
			to[ret->nheaders++] = by->headers[i];
}

/* Another one would have been looked for elsewhere. */
static bool varies_alike(const struct cache_entry *old, const struct response_head *merged)
{
	struct buf before = {0}, after = {0};
	bool is_alike = vary_names(&before, old->headers, old->nheaders) &&
			vary_names(&after, merged->headers, merged->nheaders) &&
			str_eq(buf_str(&before), buf_str(&after));

	buf_done(&before);
	buf_done(&after);
	return is_alike;
}

static bool is_within(const struct cache_entry *e, const struct head_limits *limits)
{
	size_t bytes = e->reason.n;

	for (size_t i = 0; i < e->nheaders; i++)
		bytes += line_size(&e->headers[i]);
	return e->nheaders <= limits->max_headers && bytes <= limits->max_bytes;
}

struct cache_entry *cache_response_renewed(const struct cache_entry *old,
	const struct response_head *not_modified, const struct cache_offer *offer,
	const struct cache_moment *at, const struct head_limits *limits, enum cache_why *ret_why)
{
	struct response_head merged;
	struct cache_offer of_merged = *offer;
	struct arena arena = {0};
	struct cache_terms terms;
	struct cache_entry *e;

	MAGIC_CHECK(old, CACHE_ENTRY_MAGIC);
	merge(&arena, old, not_modified, &merged);
	of_merged.head = &merged;
	*ret_why = cache_may_stay(&of_merged, &terms);
	if (*ret_why == WHY_OK && !varies_alike(old, &merged))
		*ret_why = WHY_VARY;
	e = cache_response_new(old->key, &merged, &terms, at, cache_body_ref(old->body));
	if (!is_within(e, limits)) {
		*ret_why = WHY_TOO_LARGE;
		cache_entry_unref(e);
		e = NULL;
	}
	arena_done(&arena);
	return e;
}

struct cache_entry *cache_selector_new(str key, str names, uint64_t number)
{
	struct writer w;
	struct cache_entry *e = entry_new(CACHE_SELECTOR, key, names.n, 0, &w);

	e->names = put_copy(&w, names);
	e->number = number;
	return e;
}

struct cache_entry *cache_refusal_new(str key, msec until)
{
	struct writer w;
	struct cache_entry *e = entry_new(CACHE_REFUSAL, key, 0, 0, &w);

	e->until = until;
	return e;
}

int64_t cache_entry_age(const struct cache_entry *e, const struct cache_moment *at)
{
	int64_t here = (int64_t)(at->now - e->came), by_wall = at->wall - e->came_wall;

	MAGIC_CHECK(e, CACHE_ENTRY_MAGIC);
	return e->terms.age + MAX(here, by_wall) / 1000;
}
