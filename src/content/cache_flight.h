/* cache_flight.h - many ask for the same at once and it is not there: one of them brings it, the
 * others wait (collapsed forwarding). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/cache.h"
#include "loop/loop.h"

struct cache_flights;
struct cache_flight;

struct cache_waiter;
/* In the thread that waits, once, never from inside a call: what was waited for is there, or will
 * not be. */
typedef void cache_waiter_fn(void *arg);

struct cache_flights *cache_flights_new(void);
/* For tests: the proxy keeps them to its end. */
void cache_flights_free(struct cache_flights *f);

/* Any thread.  True: the caller is to bring it, and ends the flight by cache_flight_land.  False:
 * somebody does that already; *ret_waiter is on the list, unless `ret_waiter` is NULL. */
bool cache_flight_join(struct cache_flights *f, const struct cache_key *key, struct loop *loop,
	cache_waiter_fn *fn, void *arg, struct cache_flight **ret_flight,
	struct cache_waiter **ret_waiter) MUST_USE;
/* Once; everybody who waits is told.  Accepts NULL. */
void cache_flight_land(struct cache_flights *f, struct cache_flight *take_flight);
/* The thread that waits does so no longer: fn is not called.  Accepts NULL. */
void cache_waiter_cancel(struct cache_flights *f, struct cache_waiter *take_waiter);
