/* test_fly_toml.c - the one key of Fly's configuration. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/fly_toml.h"

struct found {
	str text;
	msec length;
	unsigned line;
};

static void test_it_is_found(void **state)
{
	static const struct found cases[] = {
		{STR_INIT("kill_timeout = \"30s\""), 30000, 1},
		{STR_INIT("kill_timeout = 30"), 30000, 1},
		{STR_INIT("kill_timeout=45 # seconds\n"), 45000, 1},
		{STR_INIT("kill_timeout = '1m30s'\r\n"), 90000, 1},
		{STR_INIT("\"kill_timeout\" = \"5m\""), 300000, 1},
		{STR_INIT("# kill_timeout = \"1s\"\napp = 'x'\n\n  kill_timeout\t=\t\"2m\"\n"),
			120000, 4},
		{STR_INIT("a = \"\"\"\nkill_timeout = 1\n\"\"\"\nkill_timeout = 2"), 2000, 4},
		{STR_INIT("a = '''\n[b]\n'''\nkill_timeout = 2"), 2000, 4},
		{STR_INIT("a = \"\\\"\\\\\" # \"\nkill_timeout = 2"), 2000, 2},
		{STR_INIT("a = [\n  ['x', \"]\"], # ]\n  [\n]]\nkill_timeout = 2"), 2000, 5},
		{STR_INIT("a = {b = 1, c = [1]}\nkill_timeout = 2"), 2000, 2},
		{STR_INIT("a.kill_timeout = 1\nkill_timeout = 2"), 2000, 2},
		{STR_INIT("nonsense\nkill_timeout = 2"), 2000, 2},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		unsigned line = 0;
		msec length = 0;

		if (fly_toml_kill_timeout(cases[i].text, &length, &line) != 0)
			fail_msg("not found: %s", cases[i].text.p);
		assert_int_equal(length, cases[i].length);
		assert_int_equal(line, cases[i].line);
	}
}

static void test_it_is_not_said(void **state)
{
	static const str cases[] = {STR_INIT(""), STR_INIT("\n\n"), STR_INIT("app = 'x'"),
		STR_INIT("[a]\nkill_timeout = 1"), STR_INIT("[[a]]\nkill_timeout = 1"),
		STR_INIT("#kill_timeout = 1"), STR_INIT("kill_timeouts = 1"),
		STR_INIT("kill_timeout"), STR_INIT("a = \"\"\"\nkill_timeout = 1"),
		STR_INIT("a = [\nkill_timeout = 1\n")};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		unsigned line;
		msec length;

		if (fly_toml_kill_timeout(cases[i], &length, &line) != -ENOENT)
			fail_msg("found: %s", cases[i].p);
	}
}

static void test_it_is_no_length_of_time(void **state)
{
	static const str cases[] = {STR_INIT("kill_timeout = \"soon\""), STR_INIT("kill_timeout ="),
		STR_INIT("kill_timeout = -5"), STR_INIT("kill_timeout = \"30s"),
		STR_INIT("kill_timeout = \"\""),
		STR_INIT("kill_timeout = 99999999999999999999999s")};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		unsigned line = 0;
		msec length;

		if (fly_toml_kill_timeout(cases[i], &length, &line) != -EINVAL)
			fail_msg("taken: %s", cases[i].p);
		assert_int_equal(line, 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_found),
		cmocka_unit_test(test_it_is_not_said),
		cmocka_unit_test(test_it_is_no_length_of_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
