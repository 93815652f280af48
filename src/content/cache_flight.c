/* cache_flight.c - waiters are told through their own thread's loop. */
/* SPDX-License-Identifier: MIT */
#include "content/cache_flight.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/magic.h"
#include "base/map.h"

enum { CACHE_FLIGHTS_MAGIC = MAGIC('f', 'l', 'i', 's') };

struct cache_flights {
	uint32_t magic;
	pthread_mutex_t lock;
	struct map by_key;
};

enum { CACHE_FLIGHT_MAGIC = MAGIC('f', 'l', 'i', 'g') };

struct cache_flight {
	uint32_t magic;
	struct list waiters;
	str key; /* the text after it */
	char text[];
};

enum { CACHE_WAITER_MAGIC = MAGIC('w', 'a', 'i', 't') };

struct cache_waiter {
	uint32_t magic;
	struct list link; /* on the flight's list; on no list: it has landed */
	struct loop *loop;
	cache_waiter_fn *fn; /* NULL: cancelled */
	void *arg;
};

struct cache_flights *cache_flights_new(void)
{
	struct cache_flights *f = xcalloc(1, sizeof(*f));

	MAGIC_BEGIN(f, CACHE_FLIGHTS_MAGIC);
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

void cache_flights_free(struct cache_flights *f)
{
	assert(!f->by_key.count);
	map_done(&f->by_key);
	pthread_mutex_destroy(&f->lock);
	MAGIC_END(f, CACHE_FLIGHTS_MAGIC);
	free(f);
}

static struct cache_flight *flight_new(str key)
{
	struct cache_flight *flight = xmalloc(sizeof(*flight) + key.n);

	MAGIC_BEGIN(flight, CACHE_FLIGHT_MAGIC);
	list_init(&flight->waiters);
	memcpy(flight->text, key.p, key.n);
	flight->key = (str){flight->text, key.n};
	return flight;
}

static struct cache_waiter *waiter_new(struct loop *loop, cache_waiter_fn *fn, void *arg)
{
	struct cache_waiter *w = xmalloc(sizeof(*w));

	*w = (struct cache_waiter){.magic = CACHE_WAITER_MAGIC, .loop = loop, .fn = fn, .arg = arg};
	return w;
}

bool cache_flight_join(struct cache_flights *f, const struct cache_key *key, struct loop *loop,
	cache_waiter_fn *fn, void *arg, struct cache_flight **ret_flight,
	struct cache_waiter **ret_waiter)
{
	struct cache_flight *flight;
	bool is_first;

	MAGIC_CHECK(f, CACHE_FLIGHTS_MAGIC);
	pthread_mutex_lock(&f->lock);
	flight = map_get(&f->by_key, key->text);
	is_first = !flight;
	if (is_first) {
		flight = *ret_flight = flight_new(key->text);
		map_put(&f->by_key, flight->key, flight);
	} else if (ret_waiter) {
		*ret_waiter = waiter_new(loop, fn, arg);
		list_append(&flight->waiters, &(*ret_waiter)->link);
	}
	pthread_mutex_unlock(&f->lock);
	return is_first;
}

/* In the waiter's thread, to which alone it belongs now. */
static void on_landed(void *arg)
{
	struct cache_waiter *w = arg;

	MAGIC_CHECK(w, CACHE_WAITER_MAGIC);
	if (w->fn)
		w->fn(w->arg);
	MAGIC_END(w, CACHE_WAITER_MAGIC);
	free(w);
}

void cache_flight_land(struct cache_flights *f, struct cache_flight *take_flight)
{
	MAGIC_CHECK(f, CACHE_FLIGHTS_MAGIC);
	if (!take_flight)
		return;
	pthread_mutex_lock(&f->lock);
	map_remove(&f->by_key, take_flight->key);
	while (!list_is_empty(&take_flight->waiters)) {
		struct cache_waiter *w =
			container_of(list_pop(&take_flight->waiters), struct cache_waiter, link);

		loop_post(w->loop, on_landed, w);
	}
	pthread_mutex_unlock(&f->lock);
	MAGIC_END(take_flight, CACHE_FLIGHT_MAGIC);
	free(take_flight);
}

void cache_waiter_cancel(struct cache_flights *f, struct cache_waiter *take_waiter)
{
	bool is_waiting;

	MAGIC_CHECK(f, CACHE_FLIGHTS_MAGIC);
	if (!take_waiter)
		return;
	pthread_mutex_lock(&f->lock);
	is_waiting = !list_is_empty(&take_waiter->link);
	if (is_waiting)
		list_remove(&take_waiter->link);
	else
		take_waiter->fn = NULL; /* on its way to us */
	pthread_mutex_unlock(&f->lock);
	if (!is_waiting)
		return;
	MAGIC_END(take_waiter, CACHE_WAITER_MAGIC);
	free(take_waiter);
}
