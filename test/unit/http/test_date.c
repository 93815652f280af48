/* test_date.c - dates are written in one form and read in three. */
/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "heads.h"

#include "http/date.h"

#define NOW 1763942400 /* November 2025 */

static void dates_are_written(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
		{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
		{-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
		{951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
		{253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
		{INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
		{INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char text[DATE_LENGTH];

		date_write(text, cases[i].seconds);
		expect_str((str){text, sizeof(text)}, cases[i].text);
	}
}

static void dates_agree_with_the_c_library(void **state)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	(void)state;
	for (int64_t at = -62167219200; at < 253402300800; at += 86400 * 37 + 4231) {
		char text[DATE_LENGTH], expected[64];
		time_t seconds = at;
		struct tm tm;
		int64_t back;

		gmtime_r(&seconds, &tm);
		snprintf(expected, sizeof(expected), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
			days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
			tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		date_write(text, at);
		expect_str((str){text, sizeof(text)}, expected);
		assert_int_equal(date_parse((str){text, sizeof(text)}, NOW, &back), 0);
		assert_int_equal(back, at);
	}
}

static void three_forms_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
		{"Sun Nov  6 08:49:37 1994", 784111777},
		{"Sun Nov 16 08:49:37 1994", 784975777},
		{"Saturday, 01-Jan-00 00:00:00 GMT", 946684800},
		{"Saturday, 01-Jan-75 00:00:00 GMT", 3313526400},
		{"Saturday, 01-Jan-76 00:00:00 GMT", 189302400},
		{"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
		{"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		int64_t seconds;

		assert_int_equal(date_parse(str_of(cases[i].text), NOW, &seconds), 0);
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void other_texts_are_not_dates(void **state)
{
	static const char *const texts[] = {"", "0", "Sun", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 6 Nov 1994 08:49:37 GMT",
		"sun, 06 nov 1994 08:49:37 gmt", "Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT", "Thu, 29 Feb 2023 00:00:00 GMT",
		"Thu, 29 Feb 1900 00:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov -994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994 GMT",
		"Sunday, 06 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
		"2025-11-24T00:00:00Z"};
	int64_t seconds = 7;

	(void)state;
	for (size_t i = 0; i < NITEMS(texts); i++)
		assert_int_equal(date_parse(str_of(texts[i]), NOW, &seconds), -EINVAL);
	assert_int_equal(seconds, 7);
}

static void a_cached_date_follows_the_clock(void **state)
{
	struct date_cache c = {0};

	(void)state;
	expect_str(date_cached(&c, 0), "Thu, 01 Jan 1970 00:00:00 GMT");
	expect_str(date_cached(&c, 0), "Thu, 01 Jan 1970 00:00:00 GMT");
	expect_str(date_cached(&c, 784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_written),
		cmocka_unit_test(dates_agree_with_the_c_library),
		cmocka_unit_test(three_forms_are_read),
		cmocka_unit_test(other_texts_are_not_dates),
		cmocka_unit_test(a_cached_date_follows_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
