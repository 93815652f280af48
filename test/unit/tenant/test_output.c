/* test_output.c - the ring of a tenant's last lines keeps its bounds. */
/* SPDX-License-Identifier: MIT */
#include "tenant/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"

static void add_numbered(struct output *o, int from, int to)
{
	char text[32];

	for (int i = from; i < to; i++) {
		snprintf(text, sizeof(text), "line %d", i);
		output_add(o, PROCESS_STDOUT, str_of(text), false);
	}
}

static void expect(const struct output *o, uint32_t i, const char *text)
{
	struct control_line line = output_at(o, i);

	assert_true(str_eq(line.text, str_of(text)));
}

static void the_oldest_lines_go_first(void **state)
{
	struct output o = {0};

	(void)state;
	add_numbered(&o, 0, 1234);
	assert_int_equal(o.last.count, OUTPUT_AWAKE_LINES);
	expect(&o, 0, "line 734");
	expect(&o, OUTPUT_AWAKE_LINES - 1, "line 1233");
	output_done(&o);
}

static void fifty_are_left_after_the_end(void **state)
{
	struct output o = {0};

	(void)state;
	add_numbered(&o, 0, 700);
	output_shrink(&o);
	assert_int_equal(o.last.count, OUTPUT_LAST_LINES);
	expect(&o, 0, "line 650");
	add_numbered(&o, 700, 701);
	expect(&o, OUTPUT_LAST_LINES, "line 700");
	output_done(&o);
}

static void long_lines_count_by_their_bytes(void **state)
{
	char *text = xcalloc(PROCESS_LINE_MAX, 1);
	struct output o = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		output_add(&o, PROCESS_STDERR, (str){text, PROCESS_LINE_MAX}, true);
		assert_true(o.last.bytes <= OUTPUT_AWAKE_BYTES);
	}
	assert_int_equal(o.last.count, OUTPUT_AWAKE_BYTES / PROCESS_LINE_MAX);
	assert_true(output_at(&o, 0).is_stderr && output_at(&o, 0).is_cut);
	output_shrink(&o);
	assert_true(o.last.bytes <= OUTPUT_LAST_BYTES);
	output_done(&o);
	free(text);
}

static void an_empty_one_costs_nothing(void **state)
{
	struct output o = {0};

	(void)state;
	output_shrink(&o);
	output_done(&o);
	assert_null(o.last.lines);
}

/* 1000 bytes a second, and four times as much at once. */
static void a_tenant_has_a_rate_and_what_is_beyond_is_counted(void **state)
{
	struct output o = {.spent_at = 50000};
	char text[100];
	str line = {text, sizeof(text) - 1};
	unsigned logged = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	log_init("test", LOG_INFO);
	for (int i = 0; i < 50; i++)
		logged += !output_log(&o, STR("a"), PROCESS_STDOUT, line, false, 1000, 50000);
	assert_int_equal(logged, 40);
	assert_int_equal(o.untold.lines, 10);
	assert_int_equal(o.dropped.bytes, 1000);
	output_tell(&o, STR("a"));
	assert_int_equal(o.untold.lines, 0);
	assert_false(output_log(&o, STR("a"), PROCESS_STDOUT, line, false, 1000, 50100));
	assert_true(output_log(&o, STR("a"), PROCESS_STDOUT, line, false, 1000, 50100));
	output_tell(&o, STR("a"));
	for (unsigned i = 0; i < 1000; i++)
		assert_false(output_log(
			&o, STR("a"), PROCESS_STDOUT, line, false, 1000, 60000 + 200u * i));
	for (int i = 0; i < 1000; i++)
		assert_false(output_log(&o, STR("a"), PROCESS_STDOUT, line, false, 0, 260000));
	assert_int_equal(o.dropped.lines, 11);
	output_done(&o);
	assert_int_equal(o.dropped.lines, 11);
}

static void expect_error(const struct output *o, const char *text)
{
	struct buf got = {0};

	output_add_error(o, &got);
	assert_true(str_eq(buf_str(&got), str_of(text)));
	buf_done(&got);
}

static void an_error_is_kept_while_stdout_goes_on(void **state)
{
	struct output o = {0};

	(void)state;
	output_add(&o, PROCESS_STDOUT, STR("Error: said on stdout"), false);
	expect_error(&o, "Error: said on stdout");
	output_add(&o, PROCESS_STDERR, STR("KeyError: 'wishes'"), false);
	add_numbered(&o, 0, 3000);
	expect_error(&o, "KeyError: 'wishes'");
	output_shrink(&o);
	expect_error(&o, "KeyError: 'wishes'");
	output_begin(&o);
	expect_error(&o, "");
	output_done(&o);
}

static void stderr_has_bounds_of_its_own(void **state)
{
	char *text = xcalloc(PROCESS_LINE_MAX + 1, 1);
	struct output o = {0};

	(void)state;
	memset(text, 'x', PROCESS_LINE_MAX);
	memcpy(text, "Error: ", 7);
	for (int i = 0; i < 300; i++) {
		output_add(&o, PROCESS_STDERR, (str){text, i % 3 ? 20 : PROCESS_LINE_MAX}, false);
		assert_true(o.errors.bytes <= OUTPUT_ERROR_BYTES);
		assert_true(o.errors.count <= OUTPUT_ERROR_LINES);
	}
	output_done(&o);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_lines_go_first),
		cmocka_unit_test(fifty_are_left_after_the_end),
		cmocka_unit_test(long_lines_count_by_their_bytes),
		cmocka_unit_test(an_error_is_kept_while_stdout_goes_on),
		cmocka_unit_test(stderr_has_bounds_of_its_own),
		cmocka_unit_test(an_empty_one_costs_nothing),
		cmocka_unit_test(a_tenant_has_a_rate_and_what_is_beyond_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
