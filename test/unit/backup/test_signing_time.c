/* test_signing_time.c - requests are signed by our clock, until a store says that it is wrong. */
/* SPDX-License-Identifier: MIT */
#include "backup/signing_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define HOUR 3600

static time_t read_text(const char *text)
{
	struct tm tm = {0};

	assert_int_equal(sscanf(text, "%4d%2d%2dT%2d%2d%2dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
				 &tm.tm_hour, &tm.tm_min, &tm.tm_sec),
		6);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

static void test_the_stores_clock_counts_where_ours_is_far_from_it(void **state)
{
	char text[SIGNING_TIME_TEXT];
	time_t now = time(NULL);

	(void)state;
	assert_false(signing_time_text(text));
	for (int hours = -8; hours <= 8; hours += 16) {
		time_t there = now + hours * HOUR, learned;

		signing_time_learn((uint64_t)there * 1000);
		assert_true(signing_time_text(text));
		learned = read_text(text);
		assert_true(learned >= there && learned < there + HOUR);
	}
}

static void test_our_clock_counts_again_once_it_agrees(void **state)
{
	char text[SIGNING_TIME_TEXT];
	uint64_t now = (uint64_t)time(NULL);

	(void)state;
	signing_time_learn((now + 8 * HOUR) * 1000);
	assert_true(signing_time_text(text));
	signing_time_learn((now + 2) * 1000);
	assert_false(signing_time_text(text));
	assert_false(signing_time_text(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_stores_clock_counts_where_ours_is_far_from_it),
		cmocka_unit_test(test_our_clock_counts_again_once_it_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
