/* test_json.c - the writer puts commas, colons and escapes where JSON wants them. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/json.h"

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
	json_null(&j, "d");
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
	json_str(&j, "quo\"te", STR("line\nbreak\\"));
	json_str_or_null(&j, "empty", STR_EMPTY);
	json_str(&j, "also", STR_EMPTY);
	json_close_object(&j);
	assert_text(&out, "{\"quo\\\"te\":\"line\\nbreak\\\\\",\"empty\":null,\"also\":\"\"}");
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_elements_are_separated_by_commas),
		cmocka_unit_test(strings_and_keys_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
