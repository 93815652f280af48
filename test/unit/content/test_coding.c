/* test_coding.c - which coding a request gets. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "content/coding.h"

#define CHROME "gzip, deflate, br, zstd"

static void the_client_weighs_and_we_choose_among_equals(void **state)
{
	static const struct coding_order ours = {{CODING_ZSTD, CODING_BR, CODING_GZIP}, 3};
	static const struct {
		const char *list;
		enum coding coding;
	} cases[] = {
		{"", CODING_IDENTITY},
		{" , ", CODING_IDENTITY},
		{CHROME, CODING_ZSTD},
		{"gzip", CODING_GZIP},
		{"GZip", CODING_GZIP},
		{"x-gzip", CODING_GZIP},
		{"gzip, br", CODING_BR},
		{"deflate", CODING_IDENTITY},
		{"gzip;q=0", CODING_IDENTITY},
		{"gzip; Q=0.000", CODING_IDENTITY},
		{"gzip;q=0.001", CODING_GZIP},
		{"gzip;q=1.0, br;q=0.9, zstd;q=0.8", CODING_GZIP},
		{"gzip;q=0.5, zstd;q=0.5, br;q=0.5", CODING_ZSTD},
		{"*", CODING_ZSTD},
		{"*;q=0.1", CODING_ZSTD},
		{"*;q=0", CODING_IDENTITY},
		{"gzip, *;q=0", CODING_GZIP},
		{"zstd;q=0, *", CODING_BR},
		{"gzip;q=0.5, *;q=0.7, zstd;q=0, br;q=0.2", CODING_GZIP},
		{"identity", CODING_IDENTITY},
		{"identity;q=0.5, gzip", CODING_GZIP},
		{"identity, gzip;q=0.5", CODING_IDENTITY},
		{"identity, gzip", CODING_GZIP},
		{"identity;q=0", CODING_IDENTITY},
		{"identity;q=0, *;q=0", CODING_IDENTITY},
		{"gzip, zstd", CODING_ZSTD},
		{"*;q=0.5, zstd;q=0.1, br;q=0.1", CODING_GZIP},
		{"deflate, gzip;q=1.0, *;q=0.5", CODING_GZIP},
		{"zstdx, xgzip, b", CODING_IDENTITY},
		{"gzip, zstd;q=0, zstd", CODING_GZIP},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		assert_int_equal(coding_negotiate(str_of(cases[i].list), &ours), cases[i].coding);
}

static void the_order_may_be_short_or_empty(void **state)
{
	static const struct coding_order old = {{CODING_GZIP, CODING_BR}, 2}, none = {{0}, 0};

	(void)state;
	assert_int_equal(coding_negotiate(STR(CHROME), &old), CODING_GZIP);
	assert_int_equal(coding_negotiate(STR("zstd"), &old), CODING_IDENTITY);
	assert_int_equal(coding_negotiate(STR("*"), &old), CODING_GZIP);
	assert_int_equal(coding_negotiate(STR("gzip;q=0.9, br"), &old), CODING_BR);
	assert_int_equal(coding_negotiate(STR(CHROME), &none), CODING_IDENTITY);
}

static void names_are_found_in_any_case(void **state)
{
	enum coding coding = CODING_BR;

	(void)state;
	assert_false(coding_find(STR("deflate"), &coding));
	assert_int_equal(coding, CODING_BR);
	for (enum coding c = CODING_IDENTITY; c < NCODINGS; c++) {
		assert_true(coding_find(coding_name(c), &coding));
		assert_int_equal(coding, c);
	}
	assert_true(coding_find(STR("X-GZIP"), &coding));
	assert_int_equal(coding, CODING_GZIP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_client_weighs_and_we_choose_among_equals),
		cmocka_unit_test(the_order_may_be_short_or_empty),
		cmocka_unit_test(names_are_found_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
