/* test_buf.c - a queue of bytes, and text that other languages can read. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/buf.h"

static void assert_buf(struct buf *b, str expected)
{
	str s = buf_str(b);

	assert_int_equal(s.n, expected.n);
	if (s.n)
		assert_memory_equal(s.p, expected.p, s.n);
}

static void bytes_come_out_as_they_went_in(void **state)
{
	static char model[1 << 16];
	size_t in = 0, out = 0;
	struct buf b = {0};
	unsigned seed = 2;

	(void)state;
	while (in < sizeof(model) - 512) {
		size_t n = (size_t)rand_r(&seed) % 512;

		for (size_t i = 0; i < n; i++)
			model[in + i] = (char)rand_r(&seed);
		buf_add(&b, (str){model + in, n});
		in += n;
		n = (size_t)rand_r(&seed) % (buf_len(&b) + 1);
		assert_memory_equal(buf_str(&b).p, model + out, n);
		buf_consume(&b, n);
		out += n;
		assert_buf(&b, (str){model + out, in - out});
	}
	buf_done(&b);
}

static void an_empty_buffer_has_text_that_is_empty(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_non_null(buf_str(&b).p);
	assert_int_equal(buf_str(&b).n, 0);
	buf_add(&b, (str){0});
	assert_int_equal(buf_len(&b), 0);
	buf_consume(&b, 0);
	buf_done(&b);
}

static void room_is_kept_when_the_buffer_is_emptied(void **state)
{
	struct buf b = {0};
	size_t cap;

	(void)state;
	buf_room(&b, 1000);
	cap = b.cap;
	buf_added(&b, 1000);
	buf_consume(&b, 1000);
	for (int i = 0; i < 100; i++) {
		buf_room(&b, 1000);
		buf_added(&b, 1000);
		buf_consume(&b, 1000);
	}
	assert_int_equal(b.cap, cap);
	buf_clear(&b);
	assert_int_equal(b.cap, cap);
	buf_done(&b);
	assert_int_equal(b.cap, 0);
}

static void numbers_and_formats_are_appended(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_add_number(&b, UINT64_MAX);
	buf_add_char(&b, ' ');
	buf_printf(&b, "%s %d", "text", -5);
	for (int i = 0; i < 300; i++)
		buf_printf(&b, "%c", 'x');
	assert_int_equal(buf_len(&b), 20 + 1 + 7 + 300);
	assert_true(str_starts(buf_str(&b), STR("18446744073709551615 text -5xxx")));
	buf_done(&b);
}

static void html_is_escaped(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_add_html(&b, STR("<a href=\"x\" title='y'>&\xc3\xa9</a>"));
	assert_buf(
		&b, STR("&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;\xc3\xa9&lt;/a&gt;"));
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_out_as_they_went_in),
		cmocka_unit_test(an_empty_buffer_has_text_that_is_empty),
		cmocka_unit_test(room_is_kept_when_the_buffer_is_emptied),
		cmocka_unit_test(numbers_and_formats_are_appended),
		cmocka_unit_test(html_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
