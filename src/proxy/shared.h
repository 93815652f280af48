/* shared.h - what the threads of the proxy share, and what they report to the process. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/base.h"
#include "base/str.h"

struct cache;
struct cache_flights;
struct cache_patterns;
struct shared;

/* What a thread reports; any thread may call these. */
struct shared_ops {
	/* Asks the supervisor to start the tenant of a slot. */
	void (*wake)(struct shared *s, uint32_t slot);
	/* Asks the supervisor where a machine is, which was not reached at the address of this
	 * generation. */
	void (*reach)(struct shared *s, str machine, uint32_t generation);
	/* A worker has something to do. */
	void (*busy)(struct shared *s);
	/* The tenant of a slot has left `max_timeouts` requests in a row without an answer. */
	void (*stuck)(struct shared *s, uint32_t slot);
	/* For a health check: why the backup's store is not known to be within reach; empty: it is.
	 * The supervisor is asked to look once more. */
	str (*store_fault)(struct shared *s);
	/* A request is under way although the machine was about to sleep; or the edge's clock is
	 * so many msec ahead of ours, as after a sleep. */
	void (*stir)(struct shared *s, msec ahead);
	/* Asks the supervisor for a look at the roster.  The number that worker_post_looked has
	 * after one that began later than this call, or greater. */
	uint64_t (*seek)(struct shared *s);
	/* Another machine says that this version of the roster is written; 0: some version. */
	void (*roster_told)(struct shared *s, uint64_t version);
	/* The loop of a worker is turning: the answer to worker_post_ask. */
	void (*alive)(struct shared *s, uint64_t number);
	/* A worker uses this snapshot now. */
	void (*configured)(struct shared *s, uint64_t serial);
	/* A link to the supervisor is broken: the process ends, and is started again. */
	void (*broken)(struct shared *s);
	/* A worker that was told to drain has no connection left. */
	void (*drained)(struct shared *s);
};

/* How many of a shared resource each client has at once.
 *
 * Counted without a lock and in a fixed space, however many clients come: two rows of counters; a
 * client's key gives it one in each row, which others may share, and the smaller of its two is its
 * count (a count-min sketch, Cormode and Muthukrishnan, 2005).  It may be a few too high, but never
 * too low. */
#define QUOTA_CELLS 16384u

struct quota {
	_Atomic uint32_t cells[2][QUOTA_CELLS];
};

static inline _Atomic uint32_t *quota_cell(struct quota *q, uint64_t key, int row)
{
	return &q->cells[row][(row ? key >> 32 : key) % QUOTA_CELLS];
}

/* After a quota_enter that returned true. */
static inline void quota_leave(struct quota *q, uint64_t key)
{
	atomic_fetch_sub_explicit(quota_cell(q, key, 0), 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(quota_cell(q, key, 1), 1, memory_order_relaxed);
}

/* One more for the client with this key (a hash), unless it already has `max`: then false. */
static inline MUST_USE bool quota_enter(struct quota *q, uint64_t key, uint64_t max)
{
	uint32_t a = atomic_fetch_add_explicit(quota_cell(q, key, 0), 1, memory_order_relaxed);
	uint32_t b = atomic_fetch_add_explicit(quota_cell(q, key, 1), 1, memory_order_relaxed);

	if (MIN(a, b) < max)
		return true;
	quota_leave(q, key);
	return false;
}

/* What was not found in the roster, as far as it is remembered: in each cell the upper half of a
 * hash, and in the lower one the moment until which it counts (msec; the lower half of it is
 * enough). */
#define ABSENT_CELLS 1024u
#define ABSENT_FOR   1000u /* msec */

struct absent {
	_Atomic uint64_t cells[ABSENT_CELLS];
};

/* Looks at the roster: seeking.h. */
#define SEEK_MOST 256u /* requests that wait for one at once */

struct seeking {
	_Atomic bool is_on;	/* the supervisor can look */
	_Atomic bool is_wanted; /* a look that was not asked for yet */
	_Atomic uint64_t asked; /* the number of the last look that was asked for */
	_Atomic size_t nwaiting;
	struct absent absent;
};

struct shared {
	const struct shared_ops *ops;
	_Atomic size_t nheld;		    /* requests that wait for a tenant */
	_Atomic size_t nconnections;	    /* of clients, for server.max_connections */
	_Atomic size_t nupstreams;	    /* connections to tenants */
	struct seeking seeking;		    /* what nobody has here */
	struct quota connections, requests; /* for each client */
	/* Stored responses, and which exchange fetches which; NULL before the first
	 * configuration. */
	struct cache *cache;
	struct cache_flights *flights;
	struct cache_patterns *patterns; /* paths of which nothing is stored */
};

/* A mere count, with which nothing else need agree. */
static inline void shared_add(_Atomic size_t *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

static inline void shared_remove(_Atomic size_t *n)
{
	atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
}

static inline size_t shared_count(const _Atomic size_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}
