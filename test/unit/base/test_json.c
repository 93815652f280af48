/* test_json.c - the writer puts commas, colons and escapes where JSON wants them. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_text(buf, text) assert_string_equal(text_of(buf), text)

static const char *text_of(struct buf *b)
{
	buf_add_char(b, 0);
	return buf_str(b).p;
}

static void members_and_elements_are_separated_by_commas(void **state)
{
	struct buf out = {0};
	struct json j = {.out = &out};

	(void)state;
	json_open_object(&j, NULL);
	json_number(&j, "a", 18446744073709551615u);
	json_open_array(&j, "b");
	json_number(&j, NULL, 1);
	json_open_object(&j, NULL);
	json_close_object(&j);
	json_bool(&j, NULL, true);
	json_close_array(&j);
	json_open_object(&j, "c");
	json_none(&j, "d");
	json_close_object(&j);
	json_raw(&j, "e", STR("[2]"));
	json_close_object(&j);
	assert_text(&out,
		"{\"a\":18446744073709551615,\"b\":[1,{},true],\"c\":{\"d\":null},\"e\":[2]}");
	buf_done(&out);
}

static void strings_and_keys_are_escaped(void **state)
{
	struct buf out = {0};
	struct json j = {.out = &out};

	(void)state;
	json_open_object(&j, NULL);
	json_open_object_named(&j, STR("quo\"te"));
	json_str(&j, "line", STR("line\nbreak\\"));
	json_close_object(&j);
	json_str_or_null(&j, "empty", STR_EMPTY);
	json_str(&j, "also", STR_EMPTY);
	json_close_object(&j);
	assert_text(&out,
		"{\"quo\\\"te\":{\"line\":\"line\\nbreak\\\\\"},\"empty\":null,\"also\":\"\"}");
	buf_done(&out);
}

static void json_is_escaped_and_always_valid(void **state)
{
#define BAD "\\ufffd"
	static const struct {
		str in, out;
	} cases[] = {
		{STR_INIT("plain"), STR_INIT("plain")},
		{STR_INIT("\"\\/"), STR_INIT("\\\"\\\\/")},
		{STR_INIT("\n\r\t\b\0\x1f\x7f"), STR_INIT("\\n\\r\\t\\u0008\\u0000\\u001f\\u007f")},
		{STR_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
			STR_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")},
		{STR_INIT("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"),
			STR_INIT("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")},
		{STR_INIT("a\x80z"), STR_INIT("a" BAD "z")},
		{STR_INIT("\xc3"), STR_INIT(BAD)},
		{STR_INIT("\xc3z"), STR_INIT(BAD "z")},
		{STR_INIT("\xe2\x82"), STR_INIT(BAD BAD)},
		{STR_INIT("\xe2\x82\""), STR_INIT(BAD BAD "\\\"")},
		{STR_INIT("\xc0\xaf"), STR_INIT(BAD BAD)},
		{STR_INIT("\xe0\x80\xaf"), STR_INIT(BAD BAD BAD)},
		{STR_INIT("\xf0\x80\x80\xaf"), STR_INIT(BAD BAD BAD BAD)},
		{STR_INIT("\xed\xa0\x80"), STR_INIT(BAD BAD BAD)},
		{STR_INIT("\xf4\x90\x80\x80"), STR_INIT(BAD BAD BAD BAD)},
		{STR_INIT("\xff\xfe"), STR_INIT(BAD BAD)},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct buf b = {0};
		struct json j = {.out = &b};
		str text;

		json_str(&j, NULL, cases[i].in);
		text = buf_str(&b);
		assert_true(str_eq(str_slice(text, 1, text.n - 1), cases[i].out));
		assert_true(str_starts(text, STR("\"")) && str_ends(text, STR("\"")));
		buf_done(&b);
	}
}

/* Eight bytes are looked at together: what must be escaped is found at each of their places. */
static void no_place_hides_what_must_be_escaped(void **state)
{
	static const char special[] = {'"', '\\', '\0', '\n', '\x1f', '\x7f', '\x80', '\xff'};

	(void)state;
	for (size_t length = 1; length < 20; length++)
		for (size_t at = 0; at < length; at++)
			for (size_t i = 0; i < sizeof(special); i++) {
				char text[20];
				struct buf b = {0};
				struct json j = {.out = &b};
				json_t *read;

				memset(text, 'x', sizeof(text));
				text[at] = special[i];
				json_open_array(&j, NULL);
				json_str(&j, NULL, (str){text, length});
				json_close_array(&j);
				assert_null(memchr(b.p,
					special[i] == '"' || special[i] == '\\' ? '\n' : special[i],
					buf_len(&b)));
				read = json_loadb(buf_str(&b).p, buf_len(&b), JSON_ALLOW_NUL, NULL);
				assert_non_null(read);
				if (special[i] > 0)
					assert_memory_equal(
						json_string_value(json_array_get(read, 0)), text,
						length);
				json_decref(read);
				buf_done(&b);
			}
}

static void numbers_have_a_sign_only_where_they_may(void **state)
{
	struct buf out = {0};
	struct json j = {.out = &out};

	(void)state;
	json_open_array(&j, NULL);
	json_int(&j, NULL, INT64_MIN);
	json_int(&j, NULL, -1);
	json_int(&j, NULL, 0);
	json_int(&j, NULL, INT64_MAX);
	json_close_array(&j);
	assert_text(&out, "[-9223372036854775808,-1,0,9223372036854775807]");
	buf_done(&out);
}

static void a_writer_may_go_on_where_another_was(void **state)
{
	struct buf out = {0};
	struct json j = {.out = &out};

	(void)state;
	json_open_object(&j, NULL);
	json_str(&j, "a", STR("1"));
	json_str(&(struct json){&out, true}, "b", STR("2"));
	json_close_object(&j);
	assert_text(&out, "{\"a\":\"1\",\"b\":\"2\"}");
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_elements_are_separated_by_commas),
		cmocka_unit_test(strings_and_keys_are_escaped),
		cmocka_unit_test(json_is_escaped_and_always_valid),
		cmocka_unit_test(no_place_hides_what_must_be_escaped),
		cmocka_unit_test(numbers_have_a_sign_only_where_they_may),
		cmocka_unit_test(a_writer_may_go_on_where_another_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
