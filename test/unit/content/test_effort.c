/* test_effort.c - a thread that is short of CPU compresses less. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "content/effort.h"

static msec clock_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (msec)t.tv_sec * 1000 + (msec)t.tv_nsec / 1000000;
}

static void steps_have_room_between_up_and_down(void **state)
{
	static const struct {
		enum effort before;
		unsigned percent;
		enum effort after;
	} cases[] = {
		{EFFORT_HIGH, 0, EFFORT_HIGH},
		{EFFORT_HIGH, 50, EFFORT_HIGH},
		{EFFORT_HIGH, 51, EFFORT_MIDDLE},
		{EFFORT_HIGH, 100, EFFORT_MIDDLE},
		{EFFORT_MIDDLE, 29, EFFORT_HIGH},
		{EFFORT_MIDDLE, 30, EFFORT_MIDDLE},
		{EFFORT_MIDDLE, 80, EFFORT_MIDDLE},
		{EFFORT_MIDDLE, 81, EFFORT_LOW},
		{EFFORT_LOW, 100, EFFORT_LOW},
		{EFFORT_LOW, 60, EFFORT_LOW},
		{EFFORT_LOW, 59, EFFORT_MIDDLE},
		{EFFORT_LOW, 0, EFFORT_MIDDLE},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		assert_int_equal(effort_step(cases[i].before, cases[i].percent), cases[i].after);
}

static void a_thread_that_spins_goes_down_and_one_that_rests_up(void **state)
{
	struct effort_meter m;
	msec now = clock_msec(), end = now + 20000;

	(void)state;
	effort_init(&m, now);
	if (m.fd < 0)
		skip(); /* a kernel without schedstat: the middle for ever */
	while (effort_now(&m, now) != EFFORT_LOW && now < end)
		now = clock_msec();
	assert_int_equal(m.effort, EFFORT_LOW);
	while (effort_now(&m, now) != EFFORT_HIGH && now < end) {
		nanosleep(&(struct timespec){0, 50000000}, NULL);
		now = clock_msec();
	}
	assert_int_equal(m.effort, EFFORT_HIGH);
	effort_done(&m);
	effort_done(&m);
}

static void without_knowledge_it_stays_in_the_middle(void **state)
{
	struct effort_meter m = {-1, EFFORT_MIDDLE, 0, 0};

	(void)state;
	assert_int_equal(effort_now(&m, 1000000), EFFORT_MIDDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_have_room_between_up_and_down),
		cmocka_unit_test(a_thread_that_spins_goes_down_and_one_that_rests_up),
		cmocka_unit_test(without_knowledge_it_stays_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
