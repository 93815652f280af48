/* test_cache_flight.c - one brings it, the others wait and are told, in their own threads. */
/* SPDX-License-Identifier: MIT */
#include "../http/fields.h"

#include <pthread.h>

#include "content/cache_flight.h"

static struct slot slots[1];

struct rig {
	struct cache *cache;
	struct cache_flights *flights;
	struct buf text;
	struct cache_key key;
	struct loop *loop;
	int told;
};

static void rig_init(struct rig *r)
{
	struct cache_target target = {.path = STR("/x")};

	*r = (struct rig){
		.cache = cache_new(1000, 1000), .flights = cache_flights_new(), .loop = loop_new()};
	cache_key_make(&r->text, cache_share(r->cache, slots, 0, STR("a")), &target, &r->key);
}

static void rig_done(struct rig *r)
{
	loop_free(r->loop);
	buf_done(&r->text);
	cache_flights_free(r->flights);
	cache_free(r->cache);
}

static void on_told(void *arg)
{
	struct rig *r = arg;

	r->told++;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void turn(struct rig *r)
{
	loop_post(r->loop, stop, r->loop);
	loop_run(r->loop);
}

static bool join(struct rig *r, struct cache_flight **flight, struct cache_waiter **waiter)
{
	return cache_flight_join(r->flights, &r->key, r->loop, on_told, r, flight, waiter);
}

static void the_first_brings_it_and_the_others_are_told_once(void **state)
{
	struct cache_flight *flight = NULL, *next = NULL;
	struct cache_waiter *waiters[3];
	struct rig r;

	(void)state;
	rig_init(&r);
	assert_true(join(&r, &flight, &waiters[0]));
	for (size_t i = 0; i < NITEMS(waiters); i++)
		assert_false(join(&r, &next, &waiters[i]));
	assert_false(join(&r, &next, NULL));
	turn(&r);
	assert_int_equal(r.told, 0);
	cache_waiter_cancel(r.flights, waiters[1]);
	cache_flight_land(r.flights, flight);
	assert_int_equal(r.told, 0);		    /* not from inside */
	cache_waiter_cancel(r.flights, waiters[2]); /* on its way already */
	turn(&r);
	assert_int_equal(r.told, 1);
	assert_true(join(&r, &next, &waiters[0]));
	cache_flight_land(r.flights, next);
	cache_flight_land(r.flights, NULL);
	cache_waiter_cancel(r.flights, NULL);
	rig_done(&r);
}

static void *land(void *arg)
{
	void **both = arg;

	cache_flight_land(both[0], both[1]);
	return NULL;
}

static void flights_land_in_other_threads(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	for (int i = 0; i < 200; i++) {
		struct cache_flight *flight = NULL, *none;
		struct cache_waiter *waiter = NULL;
		pthread_t thread;
		void *both[2] = {r.flights, NULL};

		assert_true(join(&r, &flight, &waiter));
		assert_false(join(&r, &none, &waiter));
		both[1] = flight;
		assert_int_equal(pthread_create(&thread, NULL, land, both), 0);
		if (i % 2)
			cache_waiter_cancel(r.flights, waiter);
		pthread_join(thread, NULL);
		turn(&r);
	}
	assert_int_equal(r.told, 100);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_brings_it_and_the_others_are_told_once),
		cmocka_unit_test(flights_land_in_other_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
