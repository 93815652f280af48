/* test_dictionary.c - structured fields: what is a dictionary, and what is not. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include "http/dictionary.h"

/* "key=text/number " for each member, "BAD" where it ends badly. */
static void read_all(const char *text, char *out, size_t size)
{
	str rest = str_of(text), key;
	struct item item;
	size_t n = 0;
	enum parse r;

	out[0] = 0;
	while ((r = dictionary_next(&rest, &key, &item)) == PARSE_OK) {
		n += (size_t)snprintf(out + n, size - n, STR_FMT "=", STR_ARG(key));
		if (item.type == ITEM_OTHER)
			n += (size_t)snprintf(out + n, size - n, STR_FMT " ", STR_ARG(item.text));
		else
			n += (size_t)snprintf(out + n, size - n, "%s%lld ",
				item.type == ITEM_BOOLEAN ? "?" : "", (long long)item.number);
	}
	if (r == PARSE_BAD)
		snprintf(out + n, size - n, "BAD");
}

static void dictionaries_are_read(void **state)
{
	static const struct {
		const char *text, *members;
	} cases[] = {
		{"", ""},
		{"  ", ""},
		{"max-age=3600, no-store", "max-age=3600 no-store=?1 "},
		{"a=1 ,\tb=-2", "a=1 b=-2 "},
		{"a;x;y=2, b=?0;z=\"q\"", "a=?1 b=?0 "},
		{"a=1.25, b=abc/d:e, c=\"x, y\\\"\"", "a=1.25 b=abc/d:e c=\"x, y\\\"\" "},
		{"a=:aGk=:, b=(1 two \"3\";q=1);l, c=@1659578233",
			"a=:aGk=: b=(1 two \"3\";q=1) c=@1659578233 "},
		{"*a_b.c=999999999999999", "*a_b.c=999999999999999 "},
		{"a=1,", "BAD"},
		{",a", "BAD"},
		{"a=1, &&&&&", "a=1 BAD"},
		{"Max-Age=1", "BAD"},
		{"a =1", "BAD"},
		{"a= 1", "BAD"},
		{"a=", "BAD"},
		{"a=1 b=2", "BAD"},
		{"a=1000000000000000", "BAD"},
		{"a=1.2345", "BAD"},
		{"a=1.", "BAD"},
		{"a=\"open", "BAD"},
		{"a=\"\\x\"", "BAD"},
		{"a=:x!:", "BAD"},
		{"a=:open", "BAD"},
		{"a=(1 2", "BAD"},
		{"a=(1\t2)", "BAD"},
		{"a=(1,2)", "BAD"},
		{"a=?2", "BAD"},
		{"a=@1.5", "BAD"},
		{"a=-", "BAD"},
		{"a;=1", "BAD"},
		{"a;b=", "BAD"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char got[256];

		read_all(cases[i].text, got, sizeof(got));
		assert_string_equal(got, cases[i].members);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(dictionaries_are_read)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
