/* test_text.c - lengths of time and amounts of memory as people read them. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/text.h"

static void a_duration_has_one_or_two_units(void **state)
{
	static const struct {
		msec v;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1, "1ms"},
		{999, "999ms"},
		{1000, "1.0s"},
		{9999, "9.9s"},
		{10000, "10s"},
		{59999, "59s"},
		{60000, "1m00s"},
		{123456, "2m03s"},
		{3600000, "1h00m"},
		{11520000, "3h12m"},
		{86400000, "1d00h"},
		{187200000, "2d04h"},
		{UINT64_MAX, "213503982334d14h"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char text[TEXT_MAX];

		text_duration(cases[i].v, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void a_size_has_two_or_three_digits(void **state)
{
	static const struct {
		uint64_t v;
		const char *text;
	} cases[] = {
		{0, "0B"},
		{999, "999B"},
		{1000, "1.0KB"},
		{9949, "9.9KB"},
		{9951, "10KB"},
		{999499, "999KB"},
		{999500, "1.0MB"},
		{182345678, "182MB"},
		{6100000, "6.1MB"},
		{1234567890, "1.2GB"},
		{UINT64_MAX, "18EB"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char text[TEXT_MAX];

		text_size(cases[i].v, text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_duration_has_one_or_two_units),
		cmocka_unit_test(a_size_has_two_or_three_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
