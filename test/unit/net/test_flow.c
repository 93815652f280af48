/* test_flow.c - bodies keep their payload whatever framing comes in and goes out, and however it is
 * cut. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/flow.h"

struct relayed {
	struct buf out;
	enum parse end;
	size_t used;
};

static void take(struct buf *out, struct gather *g)
{
	for (int i = 0; i < g->count; i++)
		buf_add(out, (str){g->pieces[i].iov_base, g->pieces[i].iov_len});
	g->count = 0;
	g->bytes = 0;
}

/* Feeds `in` in pieces of `step` bytes. */
static struct relayed relay(struct flow *f, str in, size_t step)
{
	static struct gather g;
	struct relayed r = {.end = PARSE_MORE};

	while (r.end == PARSE_MORE && r.used < in.n) {
		size_t used;

		r.end = flow_feed(f, str_slice(in, r.used, MIN(r.used + step, in.n)), &used, &g);
		r.used += used;
		take(&r.out, &g);
	}
	return r;
}

static void assert_text(const struct buf *b, str expected)
{
	assert_int_equal(buf_len(b), expected.n);
	assert_memory_equal(buf_str(b).p, expected.p, expected.n);
}

static void test_a_length_passes_and_what_follows_is_left(void **state)
{
	(void)state;
	for (size_t step = 1; step <= 9; step++) {
		struct flow f;
		struct relayed r;

		flow_init(&f, BODY_LENGTH, 5, BODY_LENGTH);
		r = relay(&f, STR("helloGET "), step);
		assert_int_equal(r.end, PARSE_OK);
		assert_int_equal(r.used, 5);
		assert_text(&r.out, STR("hello"));
		assert_true(f.is_done);
		assert_int_equal(f.bytes, 5);
		buf_done(&r.out);
		flow_done(&f);
	}
}

static void test_chunks_lose_their_extensions_and_keep_their_trailers(void **state)
{
	static const str in = STR_INIT("5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\nNEXT");
	struct flow f;
	struct relayed r;

	(void)state;
	flow_init(&f, BODY_CHUNKED, 0, BODY_CHUNKED);
	r = relay(&f, in, in.n);
	assert_int_equal(r.end, PARSE_OK);
	assert_int_equal(r.used, in.n - 4);
	assert_text(&r.out, STR("5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n"));
	buf_done(&r.out);
	flow_done(&f);
}

static void test_chunks_become_plain_bytes_however_they_are_cut(void **state)
{
	static const str in = STR_INIT("5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n");

	(void)state;
	for (size_t step = 1; step <= in.n; step++) {
		struct flow f;
		struct relayed r;

		flow_init(&f, BODY_CHUNKED, 0, BODY_UNTIL_CLOSE);
		r = relay(&f, in, step);
		assert_int_equal(r.end, PARSE_OK);
		assert_text(&r.out, STR("hello, world"));
		buf_done(&r.out);
		flow_done(&f);
	}
}

static void test_a_body_until_close_becomes_chunks(void **state)
{
	static struct gather g;
	struct flow f;
	struct relayed r;

	(void)state;
	flow_init(&f, BODY_UNTIL_CLOSE, 0, BODY_CHUNKED);
	r = relay(&f, STR("abc"), 3);
	assert_int_equal(r.end, PARSE_MORE);
	assert_int_equal(flow_end(&f, &g), PARSE_OK);
	take(&r.out, &g);
	assert_text(&r.out, STR("3\r\nabc\r\n0\r\n\r\n"));
	buf_done(&r.out);
	flow_done(&f);
}

static void test_more_chunks_than_a_write_takes_go_in_several(void **state)
{
	struct flow f;
	struct buf in = {0};
	struct relayed r;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_add(&in, STR("1\r\nx\r\n"));
	buf_add(&in, STR("0\r\n\r\n"));
	flow_init(&f, BODY_CHUNKED, 0, BODY_CHUNKED);
	r = relay(&f, buf_str(&in), buf_len(&in));
	assert_int_equal(r.end, PARSE_OK);
	assert_text(&r.out, buf_str(&in));
	buf_done(&r.out);
	buf_done(&in);
	flow_done(&f);
}

static void test_a_cut_off_body_is_not_whole(void **state)
{
	static struct gather g;
	struct flow f;
	size_t used;

	(void)state;
	flow_init(&f, BODY_LENGTH, 5, BODY_LENGTH);
	assert_int_equal(flow_feed(&f, STR("hel"), &used, &g), PARSE_MORE);
	assert_int_equal(flow_end(&f, &g), PARSE_BAD);
	flow_init(&f, BODY_CHUNKED, 0, BODY_CHUNKED);
	g.count = 0;
	assert_int_equal(flow_feed(&f, STR("5\r\nhel"), &used, &g), PARSE_MORE);
	assert_int_equal(flow_end(&f, &g), PARSE_BAD);
	g.count = 0;
	flow_done(&f);
}

static void test_broken_chunks_are_refused(void **state)
{
	static const str bad[] = {STR_INIT("x\r\n"), STR_INIT("5\nhello"),
		STR_INIT("0x5\r\nhello\r\n"), STR_INIT("-1\r\n"), STR_INIT("5\r\nhelloX\r\n"),
		STR_INIT("ffffffffffffffff0\r\n")};
	static struct gather g;

	(void)state;
	for (size_t i = 0; i < NITEMS(bad); i++) {
		struct flow f;
		size_t used;

		flow_init(&f, BODY_CHUNKED, 0, BODY_CHUNKED);
		g.count = 0;
		assert_int_equal(flow_feed(&f, bad[i], &used, &g), PARSE_BAD);
		flow_done(&f);
	}
}

static void test_only_bytes_without_framing_may_be_moved_by_the_kernel(void **state)
{
	struct flow f;

	(void)state;
	flow_init(&f, BODY_LENGTH, 100, BODY_LENGTH);
	assert_int_equal(flow_raw(&f), 100);
	flow_skip(&f, 60);
	assert_int_equal(flow_raw(&f), 40);
	flow_skip(&f, 40);
	assert_true(f.is_done);
	assert_int_equal(f.bytes, 100);
	flow_init(&f, BODY_LENGTH, 100, BODY_CHUNKED);
	assert_int_equal(flow_raw(&f), 0);
	flow_init(&f, BODY_CHUNKED, 0, BODY_UNTIL_CLOSE);
	assert_int_equal(flow_raw(&f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_length_passes_and_what_follows_is_left),
		cmocka_unit_test(test_chunks_lose_their_extensions_and_keep_their_trailers),
		cmocka_unit_test(test_chunks_become_plain_bytes_however_they_are_cut),
		cmocka_unit_test(test_a_body_until_close_becomes_chunks),
		cmocka_unit_test(test_more_chunks_than_a_write_takes_go_in_several),
		cmocka_unit_test(test_a_cut_off_body_is_not_whole),
		cmocka_unit_test(test_broken_chunks_are_refused),
		cmocka_unit_test(test_only_bytes_without_framing_may_be_moved_by_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
