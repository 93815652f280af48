/* test_number.c - the whole text is a number, or it is refused. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "base/number.h"

#define UNTOUCHED 4711

struct text_case {
	str text;
	int result;
	uint64_t value;
};

typedef int parse_fn(str s, uint64_t *ret);

static int parse_any(str s, uint64_t *ret)
{
	return number_parse(s, UINT64_MAX, ret);
}

static int parse_port(str s, uint64_t *ret)
{
	return number_parse(s, 65535, ret);
}

static int parse_hex(str s, uint64_t *ret)
{
	return number_parse_hex(s, UINT64_MAX, ret);
}

static void check(parse_fn *parse, const struct text_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED;
		int r = parse(cases[i].text, &value);
		uint64_t expected = cases[i].result ? UNTOUCHED : cases[i].value;

		if (r != cases[i].result || value != expected)
			fail_msg("\"" STR_FMT "\": %d, %" PRIu64, STR_ARG(cases[i].text), r, value);
	}
}

static void decimals(void **state)
{
	static const struct text_case cases[] = {
		{STR_INIT("0"), 0, 0},
		{STR_INIT("007"), 0, 7},
		{STR_INIT("18446744073709551615"), 0, UINT64_MAX},
		{STR_INIT("18446744073709551616"), -ERANGE, 0},
		{STR_INIT("18446744073709551620"), -ERANGE, 0},
		{STR_INIT("99999999999999999999999999"), -ERANGE, 0},
		{STR_INIT(""), -EINVAL, 0},
		{STR_INIT("-1"), -EINVAL, 0},
		{STR_INIT("+1"), -EINVAL, 0},
		{STR_INIT(" 1"), -EINVAL, 0},
		{STR_INIT("1 "), -EINVAL, 0},
		{STR_INIT("1\0"), -EINVAL, 0},
		{STR_INIT("1a"), -EINVAL, 0},
		{STR_INIT("0x1"), -EINVAL, 0},
		{STR_INIT("1_000"), -EINVAL, 0},
		{STR_INIT("\xb1"), -EINVAL, 0},
	};

	(void)state;
	check(parse_any, cases, NITEMS(cases));
}

static void a_limit_is_kept(void **state)
{
	static const struct text_case cases[] = {
		{STR_INIT("65535"), 0, 65535},
		{STR_INIT("65536"), -ERANGE, 0},
		{STR_INIT("0000000000000000000000000080"), 0, 80},
	};

	(void)state;
	check(parse_port, cases, NITEMS(cases));
}

static void hexadecimals(void **state)
{
	static const struct text_case cases[] = {
		{STR_INIT("0"), 0, 0},
		{STR_INIT("fF"), 0, 255},
		{STR_INIT("ffffffffffffffff"), 0, UINT64_MAX},
		{STR_INIT("10000000000000000"), -ERANGE, 0},
		{STR_INIT("0x1"), -EINVAL, 0},
		{STR_INIT("g"), -EINVAL, 0},
		{STR_INIT("@"), -EINVAL, 0},
		{STR_INIT(""), -EINVAL, 0},
	};

	(void)state;
	check(parse_hex, cases, NITEMS(cases));
}

static void durations(void **state)
{
	static const struct text_case cases[] = {
		{STR_INIT("250ms"), 0, 250},
		{STR_INIT("5s"), 0, 5000},
		{STR_INIT("10m"), 0, 600000},
		{STR_INIT("2h"), 0, 7200000},
		{STR_INIT("1d"), 0, 86400000},
		{STR_INIT("30"), 0, 30000},
		{STR_INIT("0"), 0, 0},
		{STR_INIT("0ms"), 0, 0},
		{STR_INIT("9223372036854775807ms"), 0, INT64_MAX},
		{STR_INIT("9223372036854775808ms"), -ERANGE, 0},
		{STR_INIT("99999999999999999d"), -ERANGE, 0},
		{STR_INIT("5 s"), -EINVAL, 0},
		{STR_INIT("5S"), -EINVAL, 0},
		{STR_INIT("5sec"), -EINVAL, 0},
		{STR_INIT("1h30m"), -EINVAL, 0},
		{STR_INIT("1.5s"), -EINVAL, 0},
		{STR_INIT("s"), -EINVAL, 0},
		{STR_INIT(""), -EINVAL, 0},
		{STR_INIT("-5s"), -EINVAL, 0},
	};

	(void)state;
	check(number_parse_duration, cases, NITEMS(cases));
}

static void sizes(void **state)
{
	static const struct text_case cases[] = {
		{STR_INIT("512"), 0, 512},
		{STR_INIT("64MB"), 0, 64000000},
		{STR_INIT("512KiB"), 0, 524288},
		{STR_INIT("1kB"), 0, 1000},
		{STR_INIT("1KB"), 0, 1000},
		{STR_INIT("2GiB"), 0, 2147483648},
		{STR_INIT("3GB"), 0, 3000000000},
		{STR_INIT("7B"), 0, 7},
		{STR_INIT("8589934591GiB"), 0, 9223372035781033984},
		{STR_INIT("8589934592GiB"), -ERANGE, 0},
		{STR_INIT("18446744073709551615GiB"), -ERANGE, 0},
		{STR_INIT("1mb"), -EINVAL, 0},
		{STR_INIT("1M"), -EINVAL, 0},
		{STR_INIT("MB"), -EINVAL, 0},
	};

	(void)state;
	check(number_parse_size, cases, NITEMS(cases));
}

static const uint64_t values[] = {0, 1, 9, 10, 15, 16, 999, 1000, 1023, 1024, 59999, 60000, 65536,
	86400000, 1000000000, 4294967295, 4294967296, 1ull << 40, INT64_MAX};

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(values); i++) {
		char text[NUMBER_TEXT_MAX];
		uint64_t back;

		assert_int_equal(
			number_parse((str){text, number_write(text, values[i])}, UINT64_MAX, &back),
			0);
		assert_int_equal(back, values[i]);
		assert_int_equal(number_parse_hex((str){text, number_write_hex(text, values[i])},
					 UINT64_MAX, &back),
			0);
		assert_int_equal(back, values[i]);
		number_duration_text(values[i], text);
		assert_int_equal(number_parse_duration(str_of(text), &back), 0);
		assert_int_equal(back, values[i]);
		number_size_text(values[i], text);
		assert_int_equal(number_parse_size(str_of(text), &back), 0);
		assert_int_equal(back, values[i]);
	}
}

static void numbers_are_written_as_printf_would(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(values); i++) {
		char text[NUMBER_TEXT_MAX], expected[NUMBER_TEXT_MAX];
		size_t n = number_write(text, values[i]);

		snprintf(expected, sizeof(expected), "%" PRIu64, values[i]);
		assert_true(str_eq((str){text, n}, str_of(expected)));
		n = number_write_hex(text, values[i]);
		snprintf(expected, sizeof(expected), "%" PRIx64, values[i]);
		assert_true(str_eq((str){text, n}, str_of(expected)));
	}
}

static void texts_have_the_largest_unit_that_is_exact(void **state)
{
	char text[NUMBER_TEXT_MAX];

	(void)state;
	number_duration_text(90000, text);
	assert_string_equal(text, "90s");
	number_duration_text(7200000, text);
	assert_string_equal(text, "2h");
	number_duration_text(1001, text);
	assert_string_equal(text, "1001ms");
	number_size_text(65536, text);
	assert_string_equal(text, "64KiB");
	number_size_text(64000000, text);
	assert_string_equal(text, "64MB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals),
		cmocka_unit_test(a_limit_is_kept),
		cmocka_unit_test(hexadecimals),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(numbers_are_written_as_printf_would),
		cmocka_unit_test(texts_have_the_largest_unit_that_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
