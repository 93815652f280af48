/* test_tally.c - how often a tenant may die, and how long it waits after a failure. */
/* SPDX-License-Identifier: MIT */
#include "life/tally.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MINUTE 60000

static void crashes_within_the_window_are_counted(void **state)
{
	struct tally t = {0};

	(void)state;
	for (msec i = 0; i < 5; i++)
		assert_true(tally_crash(&t, 100000 + i, 5, MINUTE));
	assert_false(tally_crash(&t, 100005, 5, MINUTE));
	assert_false(tally_crash(&t, 100006, 5, MINUTE));
	tally_done(&t);
}

static void old_crashes_are_forgotten(void **state)
{
	struct tally t = {0};

	(void)state;
	for (msec i = 0; i < 1000; i++)
		assert_true(tally_crash(&t, 100000 + i * (MINUTE / 5 + 1), 5, MINUTE));
	assert_true(t.ncrashes <= 5);
	tally_done(&t);
}

static void the_window_slides(void **state)
{
	struct tally t = {0};

	(void)state;
	assert_true(tally_crash(&t, 100000, 2, MINUTE));
	assert_true(tally_crash(&t, 100000 + MINUTE - 1, 2, MINUTE));
	assert_false(tally_crash(&t, 100000 + MINUTE, 2, MINUTE));
	assert_true(tally_crash(&t, 100000 + 2 * MINUTE - 1 + 1, 2, MINUTE));
	tally_done(&t);
}

static void without_restarts_every_crash_is_a_failure(void **state)
{
	struct tally t = {0};

	(void)state;
	assert_false(tally_crash(&t, 100000, 0, MINUTE));
	assert_false(tally_crash(&t, 100001, 0, MINUTE));
	assert_false(tally_crash(&t, 100000 + 5 * MINUTE, 0, MINUTE));
	tally_done(&t);
}

static void without_a_window_no_crash_is_one_too_many(void **state)
{
	struct tally t = {0};

	(void)state;
	for (msec i = 0; i < 100; i++)
		assert_true(tally_crash(&t, 100000 + i / 10, 2, 0));
	assert_false(tally_crash(&t, 200000, 0, 0));
	tally_done(&t);
}

static void the_backoff_doubles_up_to_its_limit(void **state)
{
	static const msec waits[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
	struct tally t = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(waits); i++) {
		tally_fail(&t, 1000);
		assert_int_equal(t.retry_at, 1000 + waits[i]);
	}
	tally_succeed(&t);
	assert_int_equal(t.retry_at, 0);
	tally_fail(&t, 1000);
	assert_int_equal(t.retry_at, 1500);
}

static void a_crash_after_a_calm_time_starts_the_backoff_anew(void **state)
{
	struct tally t = {0};

	(void)state;
	tally_fail(&t, 1000);
	tally_fail(&t, 2000);
	assert_true(tally_crash(&t, 100000, 5, MINUTE));
	assert_int_equal(t.retry_at, 0);
	tally_fail(&t, 100000);
	assert_int_equal(t.retry_at, 100500);
	tally_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crashes_within_the_window_are_counted),
		cmocka_unit_test(old_crashes_are_forgotten),
		cmocka_unit_test(the_window_slides),
		cmocka_unit_test(without_restarts_every_crash_is_a_failure),
		cmocka_unit_test(without_a_window_no_crash_is_one_too_many),
		cmocka_unit_test(the_backoff_doubles_up_to_its_limit),
		cmocka_unit_test(a_crash_after_a_calm_time_starts_the_backoff_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
