/* test_chunked.c - reading and writing the chunked coding. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include "http/chunked.h"

/* Reads `in` in pieces of `step` bytes; what was not taken is counted in *ret_rest. */
static enum parse read_all(
	struct chunked *c, str in, size_t step, struct buf *payload, size_t *ret_rest)
{
	enum parse parse = PARSE_MORE;
	size_t at = 0, given = 0;

	while (parse == PARSE_MORE && (at < given || given < in.n)) {
		size_t used;
		str data;

		given = MAX(given, MIN(at + step, in.n));
		parse = chunked_read(c, str_slice(in, at, given), &used, &data);
		if (parse == PARSE_BAD)
			break;
		at += used;
		buf_add(payload, data);
		if (parse == PARSE_OK || !data.n)
			assert_int_equal(data.n, 0);
		if (parse == PARSE_MORE && !data.n)
			assert_int_equal(at, given);
	}
	*ret_rest = in.n - at;
	return parse;
}

static void expect_body(str in, const char *payload, const char *trailers, size_t rest)
{
	for (size_t n = 0; n <= in.n; n++)
		assert_true(chunked_is_sound(str_slice(in, 0, n)));
	for (size_t step = 1; step <= in.n; step++) {
		struct chunked c = {0};
		struct buf b = {0};
		size_t left;

		assert_int_equal(read_all(&c, in, step, &b, &left), PARSE_OK);
		/* The last step may have brought bytes of the next message. */
		assert_int_equal(left, rest);
		expect_str(buf_str(&b), payload);
		expect_str(chunked_trailers(&c), trailers);
		buf_done(&b);
		chunked_done(&c);
	}
}

/* As it is read where it is mended. */
static bool is_sound(str in)
{
	struct chunked c = {.is_mended = true};
	struct buf b = {0};
	size_t rest;
	bool is_bad = read_all(&c, in, in.n, &b, &rest) == PARSE_BAD;

	buf_done(&b);
	chunked_done(&c);
	return !is_bad;
}

static void expect_bad(str in)
{
	assert_true(chunked_is_sound(in) == is_sound(in));
	for (size_t step = 1; step <= in.n; step++) {
		struct chunked c = {0};
		struct buf b = {0};
		size_t rest, used;
		str data;

		if (read_all(&c, in, step, &b, &rest) != PARSE_BAD)
			fail_msg("not refused: " STR_FMT, STR_ARG(in));
		assert_int_equal(chunked_read(&c, STR("0\r\n\r\n"), &used, &data), PARSE_BAD);
		buf_done(&b);
		chunked_done(&c);
	}
}

static void bodies_are_read_however_they_are_cut(void **state)
{
	(void)state;
	expect_body(STR("0\r\n\r\n"), "", "", 0);
	expect_body(STR("5\r\nhello\r\n0\r\n\r\n"), "hello", "", 0);
	expect_body(STR("5\r\nhello\r\n1\r\n!\r\n00000\r\n\r\nGET /"), "hello!", "", 5);
	expect_body(
		STR("000000000000000a\r\n0123\r\n\r\n89\r\n0\r\n\r\n"), "0123\r\n\r\n89", "", 0);
	expect_body(STR("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789",
		"", 0);
	expect_body(STR("2;a\r\nhi\r\n0;x=\"y;z\t\"\r\n\r\n"), "hi", "", 0);
}

static void trailers_are_kept_as_they_came(void **state)
{
	(void)state;
	expect_body(STR("0\r\nX-Sum: 1\r\n\r\n"), "", "X-Sum: 1\r\n", 0);
	expect_body(STR("1\r\na\r\n0\r\nServer-Timing: a;dur=1\r\nETag:  \"x\" \r\n\r\n\r\n"), "a",
		"Server-Timing: a;dur=1\r\nETag:  \"x\" \r\n", 2);
}

static void bad_sizes_are_refused(void **state)
{
	static const str bodies[] = {STR_INIT("\r\n"), STR_INIT(";a\r\n"), STR_INIT(" 5\r\n"),
		STR_INIT("5 \r\n"), STR_INIT("5\t;a\r\n"), STR_INIT("2 ;a\r\n"),
		STR_INIT("0x5\r\n"), STR_INIT("+5\r\n"), STR_INIT("-5\r\n"), STR_INIT("5\n"),
		STR_INIT("5\r5"), STR_INIT("5\r\r\n"), STR_INIT("g\r\n"), STR_INIT("5,\r\n"),
		STR_INIT("5_0\r\n"), STR_INIT("5\0\r\n"), STR_INIT("00000000000000005\r\n"),
		STR_INIT("10000000000000000\r\n"), STR_INIT("ffffffffffffffff\r\n"),
		STR_INIT("8000000000000000\r\n"), STR_INIT("5\xa0\r\n")};

	(void)state;
	for (size_t i = 0; i < NITEMS(bodies); i++)
		expect_bad(bodies[i]);
}

static void data_must_end_where_the_size_says(void **state)
{
	(void)state;
	expect_bad(STR("5\r\nhello!\r\n0\r\n\r\n"));
	expect_bad(STR("5\r\nhello\n0\r\n\r\n"));
	expect_bad(STR("5\r\nhello\r0\r\n\r\n"));
	expect_bad(STR("5\r\nhell\r\n0\r\n\r\n"));
	expect_bad(STR("5\r\nhello0\r\n\r\n"));
	expect_bad(STR("0\r\n\n"));
	expect_bad(STR("0\r\n\rX"));
}

static void extensions_are_bounded_and_without_controls(void **state)
{
	struct buf b = {0};

	(void)state;
	expect_bad(STR("5;a\nb\r\n"));
	expect_bad(STR("5;a\rb\r\n"));
	expect_bad(STR("5;\"a\nb\"\r\n"));
	expect_bad(STR("5;\0\r\n"));
	for (size_t extra = 0; extra < 2; extra++) {
		struct chunked c = {0};
		size_t used;
		str data;

		buf_add(&b, STR("0;"));
		for (size_t i = 0; i < CHUNKED_MAX_EXTENSION + extra; i++)
			buf_add_char(&b, 'x');
		buf_add(&b, STR("\r\n\r\n"));
		assert_int_equal(
			chunked_read(&c, buf_str(&b), &used, &data), extra ? PARSE_BAD : PARSE_OK);
		buf_clear(&b);
	}
	for (size_t i = 0; i <= CHUNKED_MAX_EXTENSIONS / 10; i++)
		buf_add(&b, STR("1;0123456789\r\nx\r\n"));
	{
		struct chunked c = {0};
		struct buf payload = {0};
		size_t rest;

		assert_int_equal(
			read_all(&c, buf_str(&b), buf_len(&b), &payload, &rest), PARSE_BAD);
		buf_done(&payload);
	}
	buf_done(&b);
}

static void bad_trailers_are_refused(void **state)
{
	static const str bodies[] = {STR_INIT("0\r\nContent-Length: 5\r\n\r\n"),
		STR_INIT("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
		STR_INIT("0\r\nHost: a\r\n\r\n"), STR_INIT("0\r\nX: y\r\nAuthorization: x\r\n\r\n"),
		STR_INIT("0\r\nSet-Cookie: a=b\r\n\r\n"),
		STR_INIT("0\r\nX-Forwarded-For: a\r\n\r\n"),
		STR_INIT("0\r\nX_Forwarded_For: a\r\n\r\n"),
		STR_INIT("0\r\nConnection: close\r\n\r\n"), STR_INIT("0\r\nnonsense\r\n\r\n"),
		STR_INIT("0\r\n: x\r\n\r\n"), STR_INIT("0\r\nX : x\r\n\r\n"),
		STR_INIT("0\r\n X: x\r\n\r\n"), STR_INIT("0\r\nX: y\r\n z\r\n\r\n"),
		STR_INIT("0\r\nX: y\n\r\n"), STR_INIT("0\r\nX: y\rZ: z\r\n\r\n"),
		STR_INIT("0\r\nX: \0\r\n\r\n"), STR_INIT("0\r\nX: \x7f\r\n\r\n")};

	(void)state;
	for (size_t i = 0; i < NITEMS(bodies); i++)
		expect_bad(bodies[i]);
}

static void trailers_are_bounded(void **state)
{
	struct buf b = {0};
	struct chunked c = {0};
	size_t used;
	str data;

	(void)state;
	buf_add(&b, STR("0\r\n"));
	for (size_t i = 0; i < CHUNKED_MAX_TRAILER_FIELDS + 1; i++)
		buf_add(&b, STR("X: y\r\n"));
	buf_add(&b, STR("\r\n"));
	assert_int_equal(chunked_read(&c, buf_str(&b), &used, &data), PARSE_BAD);
	chunked_done(&c);
	buf_clear(&b);
	buf_add(&b, STR("0\r\nX: "));
	for (size_t i = 0; i < CHUNKED_MAX_TRAILERS; i++)
		buf_add_char(&b, 'y');
	assert_int_equal(chunked_read(&c, buf_str(&b), &used, &data), PARSE_BAD);
	chunked_done(&c);
	buf_done(&b);
}

static void payload_is_not_copied(void **state)
{
	struct chunked c = {0};
	str in = STR("5\r\nhello\r\n"), data;
	size_t used;

	(void)state;
	assert_int_equal(chunked_read(&c, in, &used, &data), PARSE_MORE);
	assert_ptr_equal(data.p, in.p + 3);
	assert_int_equal(used, 8);
}

static void payload_may_go_past_the_decoder(void **state)
{
	struct chunked c = {0};
	size_t used;
	str data;

	(void)state;
	assert_int_equal(chunked_left(&c), 0);
	assert_int_equal(chunked_read(&c, STR("10\r\nabc"), &used, &data), PARSE_MORE);
	assert_int_equal(data.n, 3);
	assert_int_equal(chunked_left(&c), 13);
	chunked_skip(&c, 13);
	assert_int_equal(chunked_left(&c), 0);
	assert_int_equal(chunked_read(&c, STR("\r\n0\r\n\r\n"), &used, &data), PARSE_OK);
	assert_int_equal(chunked_left(&c), 0);
}

static void what_is_written_can_be_read(void **state)
{
	static const size_t sizes[] = {1, 15, 16, 255, 65536};
	static const char zeros[65536];

	(void)state;
	for (size_t i = 0; i < NITEMS(sizes); i++) {
		struct chunked c = {0};
		struct buf b = {0}, payload = {0};
		char size[CHUNKED_SIZE_MAX];
		size_t rest;

		buf_add(&b, (str){size, chunked_write_size(size, sizes[i])});
		buf_add(&b, (str){zeros, sizes[i]});
		buf_add(&b, CHUNKED_CRLF);
		buf_add(&b, CHUNKED_LAST);
		buf_add(&b, STR("X-Sum: 1\r\n"));
		buf_add(&b, CHUNKED_CRLF);
		assert_int_equal(read_all(&c, buf_str(&b), buf_len(&b), &payload, &rest), PARSE_OK);
		assert_int_equal(rest, 0);
		assert_int_equal(buf_len(&payload), sizes[i]);
		buf_done(&b);
		buf_done(&payload);
		chunked_done(&c);
	}
	assert_true(chunked_write_size((char[CHUNKED_SIZE_MAX]){0}, SIZE_MAX) <= CHUNKED_SIZE_MAX);
	expect_body(STR("0\r\n\r\n"), "", "", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_read_however_they_are_cut),
		cmocka_unit_test(trailers_are_kept_as_they_came),
		cmocka_unit_test(bad_sizes_are_refused),
		cmocka_unit_test(data_must_end_where_the_size_says),
		cmocka_unit_test(extensions_are_bounded_and_without_controls),
		cmocka_unit_test(bad_trailers_are_refused),
		cmocka_unit_test(trailers_are_bounded),
		cmocka_unit_test(payload_is_not_copied),
		cmocka_unit_test(payload_may_go_past_the_decoder),
		cmocka_unit_test(what_is_written_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
