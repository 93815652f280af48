/* test_marker.c - the hop marker: who has the key can write it, and nobody else. */
/* SPDX-License-Identifier: MIT */
#include "confs.h"
#include "route/marker.h"

#define KEY   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NOW   1800000000000u

static const struct marker sample = {MARKER_PEER, 1, {"m1", 2}, {"bell~evue.x", 11}, 0xabcdef, NOW};

static struct buf written(const struct marker *m, const char *key)
{
	struct buf text = {0};

	marker_write(&text, str_of(key), m);
	return text;
}

static void what_was_written_is_read(void **state)
{
	struct buf text = written(&sample, KEY);
	struct marker m;

	(void)state;
	assert_int_equal(marker_read(buf_str(&text), STR(KEY), MARKER_PEER, NOW, &m), MARKER_VALID);
	assert_str(m.origin, "m1");
	assert_true(marker_is_for(&m, STR("bell~evue.x")));
	assert_false(marker_is_for(&m, STR("bell~evue")));
	assert_false(marker_is_for(&m, STR("bell~evue.y")));
	assert_int_equal(m.hop, 1);
	assert_int_equal(m.kind, MARKER_PEER);
	assert_int_equal(m.fleet, 0xabcdef);
	assert_int_equal(m.time, NOW);
	buf_done(&text);
}

/* Fly's `state` may have these characters, and a field of HTTP too. */
static void it_is_one_plain_word(void **state)
{
	struct buf text = written(&sample, KEY);
	str s = buf_str(&text);

	(void)state;
	assert_true(s.n > 60 && s.n < 200);
	for (size_t i = 0; i < s.n; i++)
		assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789._:/+=-",
			s.p[i]));
	buf_done(&text);
}

static void whoever_changes_a_byte_has_no_marker(void **state)
{
	struct buf text = written(&sample, KEY);
	struct marker m = {.hop = 77};
	str s = buf_str(&text);

	(void)state;
	for (size_t i = 0; i < s.n; i++) {
		char *byte = (char *)(uintptr_t)s.p + i, before = *byte;

		for (int with = 0; with < 256; with++) {
			*byte = (char)with;
			if (*byte != before)
				assert_int_equal(
					marker_read(s, STR(KEY), MARKER_PEER, NOW, &m), MARKER_BAD);
		}
		*byte = before;
		assert_int_equal(marker_read(str_slice(s, 0, i), STR(KEY), MARKER_PEER, NOW, &m),
			i ? MARKER_BAD : MARKER_NONE);
	}
	assert_int_equal(m.hop, 77);
	buf_done(&text);
}

static void one_of_another_kind_or_key_is_none(void **state)
{
	static const char *const keys[] = {OTHER, "", "00",
		"zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
	struct buf text = written(&sample, KEY);

	(void)state;
	for (size_t i = 0; i < NITEMS(keys); i++)
		assert_int_equal(
			marker_read(buf_str(&text), str_of(keys[i]), MARKER_PEER, NOW, NULL),
			MARKER_BAD);
	assert_int_equal(
		marker_read(buf_str(&text), STR(KEY), MARKER_REPLAY, NOW, NULL), MARKER_BAD);
	assert_int_equal(marker_read(buf_str(&text), STR(KEY), MARKER_CALL, NOW, NULL), MARKER_BAD);
	buf_done(&text);
}

static void age_is_limited_and_the_future_is_not(void **state)
{
	static const struct {
		int64_t after; /* is it read */
		enum marker_verdict verdict;
	} rows[] = {
		{0, MARKER_VALID},
		{-1000, MARKER_VALID},
		{-1001, MARKER_AHEAD},
		{-8ll * 3600 * 1000, MARKER_AHEAD},
		{MARKER_MAX_AGE_MS, MARKER_VALID},
		{MARKER_MAX_AGE_MS + 1, MARKER_OLD},
	};
	struct buf text = written(&sample, KEY);

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		enum marker_verdict v = marker_read(buf_str(&text), STR(KEY), MARKER_PEER,
			(uint64_t)((int64_t)NOW + rows[i].after), NULL);

		assert_int_equal(v, rows[i].verdict);
	}
	buf_done(&text);
}

static void nothing_is_written_that_could_not_be_read(void **state)
{
	static const struct {
		const char *key, *origin, *user;
	} rows[] = {
		{"", "m1", "u"},
		{"0011", "m1", "u"},
		{KEY, "", "u"},
		{KEY, "m:1", "u"},
		{KEY, "m1", "u:1"},
		{KEY, "m1", "u;state=x"},
		{KEY, "m1", "a\nb"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct marker m = sample;
		struct buf text;

		m.origin = str_of(rows[i].origin);
		m.user = str_of(rows[i].user);
		text = written(&m, rows[i].key);
		assert_int_equal(buf_len(&text), 0);
		buf_done(&text);
	}
}

static void a_marker_of_no_user_is_for_no_user(void **state)
{
	struct marker m = sample;
	struct buf text;

	(void)state;
	m.user = STR_EMPTY;
	text = written(&m, KEY);
	assert_int_equal(marker_read(buf_str(&text), STR(KEY), MARKER_PEER, NOW, &m), MARKER_VALID);
	assert_true(marker_is_for(&m, STR_EMPTY));
	assert_false(marker_is_for(&m, STR("u")));
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(it_is_one_plain_word),
		cmocka_unit_test(whoever_changes_a_byte_has_no_marker),
		cmocka_unit_test(one_of_another_kind_or_key_is_none),
		cmocka_unit_test(age_is_limited_and_the_future_is_not),
		cmocka_unit_test(nothing_is_written_that_could_not_be_read),
		cmocka_unit_test(a_marker_of_no_user_is_for_no_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
