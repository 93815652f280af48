/* test_str.c - strings by pointer and length. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/str.h"

#define assert_str(s, text) assert_true(str_eq(s, STR(text)))

static void equality_compares_length_and_bytes(void **state)
{
	(void)state;
	assert_true(str_eq(STR("a\0b"), STR("a\0b")));
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_false(str_eq(STR("a"), STR("ab")));
	assert_true(str_eq(STR(""), (str){0}));
	assert_true(str_eq_nocase(STR("Content-LENGTH"), STR("content-length")));
	assert_false(str_eq_nocase(STR("a["), STR("a{")));
	assert_false(str_eq_nocase(STR("\xc3\xa9"), STR("\xc3\x89")));
}

static void a_zero_string_is_empty_everywhere(void **state)
{
	str zero = {0}, part;
	char *copy = str_dup(zero);

	(void)state;
	assert_string_equal(copy, "");
	free(copy);
	assert_true(str_starts(STR("x"), zero));
	assert_true(str_ends(STR("x"), zero));
	assert_false(str_starts(zero, STR("x")));
	assert_int_equal(str_cmp(zero, STR("")), 0);
	assert_int_equal(str_find(STR("x"), zero), 0);
	assert_int_equal(str_find(zero, STR("x")), -1);
	assert_int_equal(str_find_char(zero, 'x'), -1);
	assert_int_equal(str_trim(zero).n, 0);
	assert_false(str_split(&zero, ',', &part));
	assert_false(str_list_has(zero, STR("x")));
}

static void beginnings_and_ends(void **state)
{
	(void)state;
	assert_true(str_starts(STR("/v1/x"), STR("/v1/")));
	assert_false(str_starts(STR("/v"), STR("/v1/")));
	assert_true(str_ends(STR("a.yml"), STR(".yml")));
	assert_false(str_ends(STR("yml"), STR(".yml")));
	assert_true(str_starts_nocase(STR("BASIC x"), STR("basic ")));
}

static void a_prefix_sorts_before_what_it_begins(void **state)
{
	static const str sorted[] = {STR_INIT(""), STR_INIT("a"), STR_INIT("a\0"), STR_INIT("aa"),
		STR_INIT("b"), STR_INIT("\x80")};

	(void)state;
	for (size_t i = 0; i < NITEMS(sorted); i++) {
		for (size_t j = 0; j < NITEMS(sorted); j++) {
			int order = str_cmp(sorted[i], sorted[j]);

			assert_int_equal(order < 0 ? -1 : order > 0, i < j ? -1 : i > j);
		}
	}
}

static void a_slice_is_clamped_to_the_string(void **state)
{
	str s = STR("hello");

	(void)state;
	assert_str(str_slice(s, 1, 3), "el");
	assert_str(str_slice(s, 3, 99), "lo");
	assert_str(str_slice(s, 99, 100), "");
	assert_str(str_slice(s, 4, 2), "");
}

static void finding(void **state)
{
	(void)state;
	assert_int_equal(str_find_char(STR("a\0b"), 'b'), 2);
	assert_int_equal(str_find(STR("aXbXc"), STR("Xc")), 3);
	assert_int_equal(str_find(STR("ab"), STR("abc")), -1);
	assert_int_equal(str_find(STR("ab"), STR("")), 0);
}

static void trimming_takes_blanks_only(void **state)
{
	(void)state;
	assert_str(str_trim(STR(" \t a b \t")), "a b");
	assert_str(str_trim(STR("\nx\r")), "\nx\r");
	assert_str(str_trim(STR(" \t ")), "");
}

static void splitting_gives_each_part_once(void **state)
{
	static const struct {
		str text;
		size_t nparts;
		str parts[4];
	} cases[] = {
		{STR_INIT("a,b,c"), 3, {STR_INIT("a"), STR_INIT("b"), STR_INIT("c")}},
		{STR_INIT("a,,c"), 3, {STR_INIT("a"), STR_INIT(""), STR_INIT("c")}},
		{STR_INIT(",a"), 2, {STR_INIT(""), STR_INIT("a")}},
		{STR_INIT("a,"), 1, {STR_INIT("a")}},
		{STR_INIT(","), 1, {STR_INIT("")}},
		{STR_INIT(""), 0, {STR_INIT("")}},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		str rest = cases[i].text, part;
		size_t n = 0;

		while (str_split(&rest, ',', &part)) {
			assert_true(n < cases[i].nparts);
			assert_true(str_eq(part, cases[i].parts[n++]));
		}
		assert_int_equal(n, cases[i].nparts);
	}
}

static void a_list_has_its_elements_in_any_case(void **state)
{
	(void)state;
	assert_true(str_list_has(STR("keep-alive, Upgrade"), STR("upgrade")));
	assert_true(str_list_has(STR(" a ,b"), STR("A")));
	assert_false(str_list_has(STR("upgrades"), STR("upgrade")));
	assert_false(str_list_has(STR("a,,b"), STR("c")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality_compares_length_and_bytes),
		cmocka_unit_test(a_zero_string_is_empty_everywhere),
		cmocka_unit_test(beginnings_and_ends),
		cmocka_unit_test(a_prefix_sorts_before_what_it_begins),
		cmocka_unit_test(a_slice_is_clamped_to_the_string),
		cmocka_unit_test(finding),
		cmocka_unit_test(trimming_takes_blanks_only),
		cmocka_unit_test(splitting_gives_each_part_once),
		cmocka_unit_test(a_list_has_its_elements_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
