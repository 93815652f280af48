/* test_timer.c - timers fire once, in order, never early, whatever their callbacks do. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "loop/loop.h"

#define MANY 500

struct item {
	struct timer timer;
	msec due;
	unsigned fired;
};

static struct loop *l;
static struct timer end;
static struct item items[MANY];
static msec last_due;
static unsigned nfired;

static int set_up(void **state)
{
	(void)state;
	l = loop_new();
	memset(items, 0, sizeof(items));
	last_due = 0;
	nfired = 0;
	return l ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(l);
	return 0;
}

static void on_end(struct timer *t)
{
	(void)t;
	loop_stop(l);
}

/* Turns for so long. */
static void run_for(msec limit)
{
	timer_set(&end, l, clock_now() + limit, on_end);
	loop_run(l);
}

static void on_item(struct timer *t)
{
	struct item *it = container_of(t, struct item, timer);

	assert_true(loop_now(l) >= it->due);
	assert_true(it->due >= last_due);
	assert_false(timer_is_set(t));
	last_due = it->due;
	it->fired++;
	nfired++;
}

static void set(struct item *it, msec due)
{
	it->due = due;
	timer_set(&it->timer, l, due, on_item);
}

static void timers_fire_once_and_in_order(void **state)
{
	unsigned seed = 4;
	msec now = clock_now();

	(void)state;
	for (int i = 0; i < MANY; i++)
		set(&items[i], now + (msec)(rand_r(&seed) % 30));
	run_for(40);
	assert_int_equal(nfired, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(items[i].fired, 1);
}

/* Moved about and cancelled at random, each still fires when it was last told to. */
static void a_timer_fires_when_it_was_last_set_to(void **state)
{
	unsigned seed = 5, expected = 0;
	msec now = clock_now();

	(void)state;
	for (int i = 0; i < MANY * 20; i++) {
		struct item *it = &items[rand_r(&seed) % MANY];

		if (rand_r(&seed) % 5 == 0)
			timer_cancel(&it->timer);
		else
			set(it, now + 1 + (msec)(rand_r(&seed) % 30));
	}
	for (int i = 0; i < MANY; i++)
		expected += timer_is_set(&items[i].timer);
	assert_true(expected > MANY / 2);
	run_for(45);
	assert_int_equal(nfired, expected);
}

static void moving_a_timer_later_leaves_it_where_it_is(void **state)
{
	struct item *it = &items[0];
	msec now = clock_now();
	uint32_t slot;

	(void)state;
	for (int i = 0; i < 100; i++)
		set(&items[i], now + 20 + (msec)i % 3);
	slot = it->timer.slot;
	for (msec later = 0; later < 1000; later++) {
		set(it, now + 20 + later);
		assert_int_equal(it->timer.slot, slot);
	}
	set(it, now + 30);
	run_for(40);
	assert_int_equal(nfired, 100);
}

static void a_timer_that_is_not_set_may_be_cancelled(void **state)
{
	struct timer zero = {0};

	(void)state;
	timer_cancel(&zero);
	assert_false(timer_is_set(&zero));
	set(&items[0], clock_now() + 5);
	timer_cancel(&items[0].timer);
	timer_cancel(&items[0].timer);
	run_for(10);
	assert_int_equal(nfired, 0);
}

static void on_cancel_the_rest(struct timer *t)
{
	(void)t;
	for (int i = 0; i < MANY; i++)
		timer_cancel(&items[i].timer);
}

static void a_callback_may_cancel_timers_that_are_due_as_well(void **state)
{
	struct timer first = {0};
	msec now = clock_now();

	(void)state;
	timer_set(&first, l, now, on_cancel_the_rest);
	for (int i = 0; i < MANY; i++)
		set(&items[i], now + 1);
	while (clock_now() < now + 3)
		continue;
	run_for(5);
	assert_int_equal(nfired, 0);
}

static unsigned again;
static msec again_at;

static void on_again(struct timer *t)
{
	assert_true(loop_now(l) > again_at || again == 0);
	again_at = loop_now(l);
	again++;
	timer_set(t, l, loop_now(l), on_again);
}

static void a_timer_set_to_now_by_its_callback_does_not_starve_the_loop(void **state)
{
	struct timer t = {0};

	(void)state;
	again = 0;
	timer_set(&t, l, clock_now(), on_again);
	set(&items[0], clock_now() + 5);
	for (int i = 0; i < 1000 && again < 2; i++)
		run_for(10);
	timer_cancel(&t);
	assert_true(again >= 2);
	assert_int_equal(items[0].fired, 1);
}

static void a_moment_in_the_past_is_now(void **state)
{
	(void)state;
	set(&items[0], 0);
	run_for(0);
	assert_int_equal(items[0].fired, 1);
}

#define in_loop(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_loop(timers_fire_once_and_in_order),
		in_loop(a_timer_fires_when_it_was_last_set_to),
		in_loop(moving_a_timer_later_leaves_it_where_it_is),
		in_loop(a_timer_that_is_not_set_may_be_cancelled),
		in_loop(a_callback_may_cancel_timers_that_are_due_as_well),
		in_loop(a_timer_set_to_now_by_its_callback_does_not_starve_the_loop),
		in_loop(a_moment_in_the_past_is_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
