/* caching_int.h - what the files of caching share: caching.c (from request to decision),
 * caching_answer.c (from the cache to the client), caching_fill.c (from the tenant to the
 * cache). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/cache_flight.h"
#include "content/cache_pattern.h"
#include "proxy/caching.h"
#include "proxy/shared.h"
#include "proxy/respond.h"
#include "proxy/wall.h"
#include "proxy/worker.h"

/* How an exchange got its answer, for Cache-Status (RFC 9211 2.2). */
enum forwarded {
	FORWARDED_NOT, /* a hit */
	FORWARDED_URI_MISS,
	FORWARDED_VARY_MISS,
	FORWARDED_STALE,
	FORWARDED_REQUEST,
	FORWARDED_METHOD,
	FORWARDED_BYPASS,
};

/* In the exchange's arena, where the configuration has a cache. */
struct caching {
	struct cache_key key; /* share is NULL: the cache is not asked */
	enum forwarded forwarded;
	enum cache_why why; /* not stored, or not usable */
	struct cache_control request;
	bool has_authorization, has_cookie, has_range;
	bool may_join;	    /* together with others that ask for the same */
	bool is_known;	    /* what is asked for has been storable before */
	bool is_collapsed;  /* it waited, and was answered with what another one fetched */
	bool is_counted;    /* as a hit or a miss */
	bool is_validating; /* the validators sent are those of `old` */
	bool stays;	    /* the tenant has confirmed what is stored */
	unsigned waits;

	struct cache_entry *old;     /* may be used if the tenant confirms it or fails; or NULL */
	struct cache_entry *hit;     /* being sent; or NULL */
	struct cache_flight *flight; /* that this exchange fills; or NULL */
	struct cache_waiter *waiter; /* in JOIN */
};

static inline struct cache *caching_cache(const struct exchange *x)
{
	return x->worker->shared->cache;
}

static inline struct cache_flights *caching_flights(const struct exchange *x)
{
	return x->worker->shared->flights;
}

static inline struct cache_patterns *caching_patterns(const struct exchange *x)
{
	return x->worker->shared->patterns;
}

/* For the path that is asked for. */
static inline uint64_t caching_pattern(const struct exchange *x)
{
	return cache_pattern_of(x->trip.tenant->owner, x->wish.path);
}

static inline struct cache_moment caching_moment(const struct exchange *x)
{
	return (struct cache_moment){loop_now(x->worker->loop), (int64_t)wall_msec()};
}

/* Counts the request, once. */
static inline void caching_count(struct exchange *x, bool is_hit)
{
	struct caching *c = x->reply.caching;

	if (!c->is_counted)
		cache_count(c->key.share, is_hit);
	c->is_counted = true;
}

static inline void caching_add_number(struct buf *out, int64_t v)
{
	if (v < 0)
		buf_add_char(out, '-');
	buf_add_number(out, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

/* Answers from `e`, taking its reference; SEND follows.  *head is the request.  `fwd_status`: of
 * the tenant's answer if it was asked, else 0. */
void caching_answer(struct exchange *x, struct cache_entry *take_entry,
	const struct request_head *head, unsigned fwd_status);
/* The same for a request that is in x->trip.request. */
void caching_answer_later(struct exchange *x, struct cache_entry *take_entry, unsigned fwd_status);
/* Adds X-Cache and Cache-Status. */
void caching_add_status(struct exchange *x, unsigned fwd_status, bool is_stored, int64_t ttl);

/* Asks the tenant about an entry that is served meanwhile. */
void caching_renew(struct exchange *x, struct cache_entry *e, const struct request_head *head);
