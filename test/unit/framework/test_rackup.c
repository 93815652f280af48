/* test_rackup.c - which commands learn where they serve, and how. */
/* SPDX-License-Identifier: MIT */
#include "framework/rackup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

#define P "/run/prefix.ru"

#define BINDS "--bind-to-activated-sockets=only"

static const struct {
	char *argv[8];
	const char *below, *inherited; /* what is added below a path, and with a socket */
} cases[] = {
	{{"bin/rails", "server"}, "-c " P, ""},
	{{"bin/rails", "s", "-p", "1"}, "-c " P, ""},
	{{"bundle", "exec", "rails", "server"}, "-c " P, ""},
	{{"/usr/bin/ruby", "bin/rails", "server"}, "-c " P, ""},
	{{"puma", "-C", "config/puma.rb"}, P, BINDS},
	{{"bundle", "exec", "puma"}, P, BINDS},
	{{"rackup", "-s", "puma"}, P, BINDS},
	{{"rackup", "-s", "webrick"}, P, ""},
	{{"bin/rails", "server", "-c", "own.ru"}, "", ""},
	{{"bin/rails", "server", "--config=own"}, "", ""},
	{{"puma", "own.ru"}, "", BINDS},
	{{"bin/rails", "db:prepare"}, "", ""},
	{{"bin/dev"}, "", ""},
	{{"sh", "-c", "bin/rails server"}, "", ""},
};

static void assert_added(char *const *argv, str prefix, bool is_inherited, const char *expected)
{
	struct framework_start start = {
		.run_dir = "/run", .prefix = prefix, .is_inherited = is_inherited};
	char *words[FRAMEWORK_WORDS];
	size_t n = rackup_words(argv, &start, words);
	struct buf text = {0};

	for (size_t i = 0; i < n; i++) {
		buf_printf(&text, "%s%s", i ? " " : "", words[i]);
		free(words[i]);
	}
	buf_add_char(&text, '\0');
	assert_string_equal(text.p, expected);
	buf_done(&text);
}

static void commands_are_known_by_their_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		assert_added(cases[i].argv, STR("/bellevue"), false, cases[i].below);
		assert_added(cases[i].argv, STR_EMPTY, true, cases[i].inherited);
		assert_added(cases[i].argv, STR_EMPTY, false, "");
	}
}

static void a_socket_comes_before_the_path(void **state)
{
	static char *const argv[] = {"puma", NULL};

	(void)state;
	assert_added(argv, STR("/bellevue"), true, BINDS " " P);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_known_by_their_words),
		cmocka_unit_test(a_socket_comes_before_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
