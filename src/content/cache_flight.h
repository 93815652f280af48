/* cache_flight.h - many ask at once for something that is not stored: one fetches it, the others
 * wait (collapsed forwarding). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/cache.h"
#include "loop/loop.h"

struct cache_flights;
struct cache_flight;

struct cache_waiter;
/* In the waiting thread, once, never from inside a call: what was waited for is there, or will not
 * come. */
typedef void cache_waiter_fn(void *arg);

struct cache_flights *cache_flights_new(void);
/* For tests: the proxy keeps them to its end. */
void cache_flights_free(struct cache_flights *f);

/* From any thread.  True: the caller must fetch it, and end the flight by cache_flight_land.
 * False: another one is fetching it; *ret_waiter is on the list, unless `ret_waiter` is NULL. */
bool cache_flight_join(struct cache_flights *f, const struct cache_key *key, struct loop *loop,
	cache_waiter_fn *fn, void *arg, struct cache_flight **ret_flight,
	struct cache_waiter **ret_waiter) MUST_USE;
/* Once; all waiters are told.  Accepts NULL. */
void cache_flight_land(struct cache_flights *f, struct cache_flight *take_flight);
/* The thread no longer waits: fn is not called.  Accepts NULL. */
void cache_waiter_cancel(struct cache_flights *f, struct cache_waiter *take_waiter);
