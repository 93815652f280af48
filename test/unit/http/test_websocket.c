/* test_websocket.c - where the frames of a server end. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include "http/websocket.h"

static struct websocket_frames followed(str bytes, size_t step)
{
	struct websocket_frames f = {0};

	for (size_t at = 0; at < bytes.n; at += step)
		websocket_follow(&f, str_slice(bytes, at, MIN(at + step, bytes.n)));
	return f;
}

/* However it is cut. */
static bool may_speak_behind(str bytes)
{
	struct websocket_frames whole = followed(bytes, MAX(bytes.n, 1u));

	for (size_t step = 1; step < bytes.n; step++) {
		struct websocket_frames f = followed(bytes, step);

		assert_int_equal(websocket_may_speak(&f), websocket_may_speak(&whole));
	}
	return websocket_may_speak(&whole);
}

#define BYTES(text) ((str){text, sizeof(text) - 1})

static void test_it_may_be_spoken_between_two_frames(void **state)
{
	static const str whole[] = {
		{"", 0},
		{"\x81\x03"
		 "abc",
			5},
		{"\x01\x03"
		 "abc",
			5}, /* of a message that goes on */
		{"\x81\x00", 2},
		{"\x82\x7e\x00\x03"
		 "abc",
			7},
		{"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x03"
		 "abc",
			13},
		{"\x89\x00\x8a\x00\xc1\x01z", 7}, /* compressed */
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(whole); i++) {
		assert_true(may_speak_behind(whole[i]));
		/* In the middle of it, never. */
		for (size_t n = 1; i < 6 && n < whole[i].n; n++)
			assert_false(may_speak_behind(str_slice(whole[i], 0, n)));
	}
}

static void test_nothing_is_said_behind_a_close(void **state)
{
	(void)state;
	assert_false(may_speak_behind(BYTES("\x88\x02\x03\xe8")));
	assert_false(may_speak_behind(BYTES("\x81\x01z\x88\x00")));
	assert_false(may_speak_behind(BYTES("\x88\x00\x81\x01z")));
}

static void test_nothing_is_said_where_nobody_knows_what_was(void **state)
{
	(void)state;
	assert_false(may_speak_behind(BYTES("\x81\x83"
					    "1234abc")));
	assert_false(may_speak_behind(BYTES("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff")));
	assert_false(may_speak_behind(BYTES("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00")));
	assert_false(may_speak_behind(BYTES("HTTP/1.1 200 OK\r\n\r\n")));
}

static void test_a_long_frame_is_counted(void **state)
{
	struct websocket_frames f = {0};
	static const char zeros[4096];

	(void)state;
	websocket_follow(&f, BYTES("\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x00"));
	for (int i = 0; i < 256; i++) {
		assert_false(websocket_may_speak(&f));
		websocket_follow(&f, (str){zeros, sizeof(zeros)});
	}
	assert_true(websocket_may_speak(&f));
}

static void test_what_we_say_is_a_close_frame(void **state)
{
	(void)state;
	assert_true(str_eq(WEBSOCKET_GOING_AWAY, BYTES("\x88\x02\x03\xe9")));
	assert_false(may_speak_behind(WEBSOCKET_GOING_AWAY));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_may_be_spoken_between_two_frames),
		cmocka_unit_test(test_nothing_is_said_behind_a_close),
		cmocka_unit_test(test_nothing_is_said_where_nobody_knows_what_was),
		cmocka_unit_test(test_a_long_frame_is_counted),
		cmocka_unit_test(test_what_we_say_is_a_close_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
