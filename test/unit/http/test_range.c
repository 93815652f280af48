/* test_range.c - which parts of a representation a Range asks for. */
/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <stdio.h>

#include "http/range.h"

#define WHOLE  RANGE_WHOLE
#define PARTS  RANGE_PARTS
#define BEYOND RANGE_UNSATISFIABLE

static const char *text_of(const struct range *ranges, size_t n)
{
	static char text[1024];
	size_t at = 0;

	text[0] = 0;
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llu+%llu", i ? " " : "",
			(unsigned long long)ranges[i].offset, (unsigned long long)ranges[i].length);
	return text;
}

static void ranges_are_read(void **state)
{
	static const struct {
		const char *value;
		uint64_t size;
		enum range_verdict verdict;
		const char *ranges;
	} cases[] = {
		{"bytes=0-0", 1000, PARTS, "0+1"},
		{"bytes=0-499", 1000, PARTS, "0+500"},
		{"bytes=500-999", 1000, PARTS, "500+500"},
		{"bytes=500-", 1000, PARTS, "500+500"},
		{"bytes=500-5000", 1000, PARTS, "500+500"},
		{"bytes=0-", 1000, PARTS, "0+1000"},
		{"bytes=-1", 1000, PARTS, "999+1"},
		{"bytes=-500", 1000, PARTS, "500+500"},
		{"bytes=-5000", 1000, PARTS, "0+1000"},
		{"Bytes=1-2", 1000, PARTS, "1+2"},
		{"bytes= 1-2 , ", 1000, PARTS, "1+2"},
		{"bytes=,,1-2", 1000, PARTS, "1+2"},
		{"bytes=007-8", 1000, PARTS, "7+2"},
		{"bytes=5-99999999999999999999999999", 1000, PARTS, "5+995"},
		{"bytes=-99999999999999999999999999", 1000, PARTS, "0+1000"},
		/* several */
		{"bytes=0-1,500-501", 1000, PARTS, "0+2 500+2"},
		{"bytes=500-501,0-1", 1000, PARTS, "500+2 0+2"},
		{"bytes=0-1,-2", 1000, PARTS, "0+2 998+2"},
		{"bytes=0-1,5000-", 1000, PARTS, "0+2"},
		{"bytes=5000-,0-1", 1000, PARTS, "0+2"},
		{"bytes=0-9,5-14", 1000, PARTS, "0+15"},
		{"bytes=0-9,10-19", 1000, PARTS, "0+20"},
		{"bytes=0-9,90-99", 1000, PARTS, "0+100"},
		{"bytes=0-9,91-99", 1000, PARTS, "0+10 91+9"},
		{"bytes=0-99,10-19", 1000, PARTS, "0+100"},
		{"bytes=0-999,0-0", 1000, WHOLE, ""}, /* more than there is */
		{"bytes=0-,0-", 1000, WHOLE, ""},
		{"bytes=-600,-600", 1000, WHOLE, ""},
		/* nothing of it exists */
		{"bytes=1000-", 1000, BEYOND, ""},
		{"bytes=1000-2000,3000-", 1000, BEYOND, ""},
		{"bytes=99999999999999999999999999-", 1000, BEYOND, ""},
		{"bytes=-0", 1000, BEYOND, ""},
		{"bytes=0-", 0, BEYOND, ""},
		{"bytes=-5", 0, BEYOND, ""},
		/* not well-formed, or of another kind */
		{"", 1000, WHOLE, ""},
		{"bytes", 1000, WHOLE, ""},
		{"bytes=", 1000, WHOLE, ""},
		{"bytes=,", 1000, WHOLE, ""},
		{"bytes 0-1", 1000, WHOLE, ""},
		{"bytes =0-1", 1000, WHOLE, ""},
		{"lines=0-1", 1000, WHOLE, ""},
		{"bytes=5-4", 1000, WHOLE, ""},
		{"bytes=-", 1000, WHOLE, ""},
		{"bytes=--1", 1000, WHOLE, ""},
		{"bytes=1", 1000, WHOLE, ""},
		{"bytes=a-b", 1000, WHOLE, ""},
		{"bytes=0x1-2", 1000, WHOLE, ""},
		{"bytes=+1-2", 1000, WHOLE, ""},
		{"bytes=1 - 2", 1000, WHOLE, ""},
		{"bytes=0-1,2", 1000, WHOLE, ""},
		{"bytes=0-1;q=1", 1000, WHOLE, ""},
		{"bytes=5000-4000,0-1", 1000, WHOLE, ""},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct range ranges[RANGE_MAX];
		size_t n = 0;
		enum range_verdict verdict =
			range_read(str_of(cases[i].value), cases[i].size, ranges, &n);

		if (verdict != cases[i].verdict || strcmp(text_of(ranges, n), cases[i].ranges) != 0)
			fail_msg("%s of %llu: verdict %d, %s", cases[i].value,
				(unsigned long long)cases[i].size, (int)verdict,
				text_of(ranges, n));
	}
}

static void more_ranges_than_make_sense_are_ignored(void **state)
{
	struct range ranges[RANGE_MAX];
	char value[4096] = "bytes=0-0";
	size_t n = 0;

	(void)state;
	for (size_t i = 1; i < RANGE_MAX; i++)
		sprintf(value + strlen(value), ",%zu-%zu", i * 1000, i * 1000);
	assert_int_equal(range_read(str_of(value), 1000000, ranges, &n), RANGE_PARTS);
	assert_int_equal(n, RANGE_MAX);
	strcat(value, ",0-0");
	assert_int_equal(range_read(str_of(value), 1000000, ranges, &n), RANGE_WHOLE);
}

static void one_range_field_of_a_get_counts(void **state)
{
	const struct header one[] = {
		{STR_INIT("Range"), STR_INIT("bytes=1-2"), HEADER_RANGE, false, false}};
	const struct header two[] = {one[0], one[0]};
	struct range ranges[RANGE_MAX];
	size_t n = 0;

	(void)state;
	assert_int_equal(range_of_request(one, 1, METHOD_GET, 10, ranges, &n), RANGE_PARTS);
	assert_int_equal(n, 1);
	assert_int_equal(range_of_request(one, 1, METHOD_HEAD, 10, ranges, &n), RANGE_WHOLE);
	assert_int_equal(range_of_request(one, 1, METHOD_POST, 10, ranges, &n), RANGE_WHOLE);
	assert_int_equal(range_of_request(two, 2, METHOD_GET, 10, ranges, &n), RANGE_WHOLE);
	assert_int_equal(range_of_request(one, 0, METHOD_GET, 10, ranges, &n), RANGE_WHOLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(more_ranges_than_make_sense_are_ignored),
		cmocka_unit_test(one_range_field_of_a_get_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
