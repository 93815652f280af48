/* test_lines.c - what a child writes becomes lines, however it is cut. */
/* SPDX-License-Identifier: MIT */
#include "process/lines.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LINE_MAX_HERE 8

static void remember(void *arg, str line, bool is_cut)
{
	buf_printf(arg, "[" STR_FMT "%s]", STR_ARG(line), is_cut ? "..." : "");
}

static const struct {
	const char *bytes, *lines;
} cases[] = {
	{"", ""},
	{"one\n", "[one]"},
	{"one\ntwo\n", "[one][two]"},
	{"\n", "[]"},
	{"\n\n", "[][]"},
	{"crlf\r\n", "[crlf]"},
	{"a\rb\n", "[a\rb]"},
	{"no end", "[no end]"},
	{"one\nno end", "[one][no end]"},
	{"12345678\n", "[12345678]"},
	{"123456789\n", "[12345678...]"},
	{"123456789", "[12345678...]"},
	{"1234567890123456789012345\nnext\n", "[12345678...][next]"},
	{"1234567890123456789012345\n\nnext", "[12345678...][][next]"},
};

static void feed_in_pieces(const char *bytes, size_t piece, struct buf *out)
{
	struct lines l = {0};
	str rest = str_of(bytes);

	while (rest.n) {
		lines_feed(&l, str_slice(rest, 0, piece), LINE_MAX_HERE, remember, out);
		rest = str_slice(rest, piece, rest.n);
	}
	lines_end(&l, remember, out);
}

static void the_lines_do_not_depend_on_how_the_bytes_arrive(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		for (size_t piece = 1; piece <= 30; piece++) {
			struct buf out = {0};

			feed_in_pieces(cases[i].bytes, piece, &out);
			buf_add_char(&out, '\0');
			assert_string_equal(buf_str(&out).p, cases[i].lines);
			buf_done(&out);
		}
}

static void an_overlong_line_is_told_before_its_end(void **state)
{
	struct lines l = {0};
	struct buf out = {0};

	(void)state;
	lines_feed(&l, STR("123456789"), LINE_MAX_HERE, remember, &out);
	buf_add_char(&out, '\0');
	assert_string_equal(buf_str(&out).p, "[12345678...]");
	buf_done(&out);
	lines_end(&l, remember, &out);
	assert_int_equal(buf_len(&out), 0);
}

static void a_silent_process_holds_no_buffer(void **state)
{
	struct lines l = {0};
	struct buf out = {0};

	(void)state;
	lines_feed(&l, STR("par"), LINE_MAX_HERE, remember, &out);
	assert_int_not_equal(l.partial.cap, 0);
	lines_feed(&l, STR("tial\n"), LINE_MAX_HERE, remember, &out);
	assert_int_equal(l.partial.cap, 0);
	lines_end(&l, remember, &out);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lines_do_not_depend_on_how_the_bytes_arrive),
		cmocka_unit_test(an_overlong_line_is_told_before_its_end),
		cmocka_unit_test(a_silent_process_holds_no_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
