/* test_table.c - columns stand under their headers whatever is in them. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/table.h"

static const char *const headers[] = {"TENANT", ">PID", "STATE", NULL};

static void add_row(struct table *t, str tenant, str pid, str state)
{
	table_cell(t, tenant, TABLE_PLAIN);
	table_cell(t, pid, TABLE_PLAIN);
	table_cell(t, state, TABLE_BAD);
}

static void assert_table(const struct table *t, bool has_colours, const char *expected)
{
	struct buf out = {0};

	table_write(t, has_colours, &out);
	buf_add_char(&out, 0);
	assert_string_equal(buf_str(&out).p, expected);
	buf_done(&out);
}

static void columns_are_as_wide_as_what_stands_in_them(void **state)
{
	struct table *t = table_new(headers);

	(void)state;
	add_row(t, STR("a"), STR("1"), STR("failed"));
	table_note(t, STR("  a note that is wider than every column"), TABLE_PLAIN);
	add_row(t, STR("bellevue/é"), STR("123456"), STR("x"));
	assert_table(t, false,
		"TENANT         PID  STATE\n"
		"a                1  failed\n"
		"  a note that is wider than every column\n"
		"bellevue/é  123456  x\n");
	table_free(t);
}

static void colours_do_not_count_as_width(void **state)
{
	struct table *t = table_new(headers);

	(void)state;
	add_row(t, STR("a"), STR("1"), STR("x"));
	assert_table(t, true,
		"\033[1mTENANT\033[0m  \033[1mPID\033[0m  \033[1mSTATE\033[0m\n"
		"a         1  \033[31mx\033[0m\n");
	table_free(t);
}

static void without_rows_there_are_the_headers(void **state)
{
	struct table *t = table_new(headers);

	(void)state;
	assert_table(t, false, "TENANT  PID  STATE\n");
	table_free(t);
	table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_what_stands_in_them),
		cmocka_unit_test(colours_do_not_count_as_width),
		cmocka_unit_test(without_rows_there_are_the_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
