/* test_rackup.c - which commands learn of our rackup file, and how. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/rackup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

#define P "/run/prefix.ru"

static const struct {
	char *argv[8];
	const char *added, *listen;
} cases[] = {
	{{"bin/rails", "server"}, "-c " P, NULL},
	{{"bin/rails", "s", "-p", "1"}, "-c " P, NULL},
	{{"bundle", "exec", "rails", "server"}, "-c " P, NULL},
	{{"/usr/bin/ruby", "bin/rails", "server"}, "-c " P, NULL},
	{{"puma", "-C", "config/puma.rb"}, P, "--bind-to-activated-sockets=only"},
	{{"bundle", "exec", "puma"}, P, "--bind-to-activated-sockets=only"},
	{{"rackup", "-s", "puma"}, P, "--bind-to-activated-sockets=only"},
	{{"rackup", "-s", "webrick"}, P, NULL},
	{{"bin/rails", "server", "-c", "own.ru"}, "", NULL},
	{{"bin/rails", "server", "--config=own"}, "", NULL},
	{{"puma", "own.ru"}, "", "--bind-to-activated-sockets=only"},
	{{"bin/rails", "db:prepare"}, "", NULL},
	{{"bin/dev"}, "", NULL},
	{{"sh", "-c", "bin/rails server"}, "", NULL},
};

static void commands_are_known_by_their_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		const char *words[RACKUP_WORDS], *listen = rackup_listen_word(cases[i].argv);
		size_t n = rackup_words(cases[i].argv, P, words);
		struct buf text = {0};

		for (size_t w = 0; w < n; w++)
			buf_printf(&text, "%s%s", w ? " " : "", words[w]);
		buf_add_char(&text, '\0');
		assert_string_equal(text.p, cases[i].added);
		assert_int_equal(listen == NULL, cases[i].listen == NULL);
		if (listen)
			assert_string_equal(listen, cases[i].listen);
		buf_done(&text);
	}
}

static void only_a_rails_that_keeps_its_path_needs_it(void **state)
{
	struct app_conf app = {.framework = FRAMEWORK_RAILS, .prefix = PREFIX_PASS};
	struct tenant_conf t = {.prefix = STR("/bellevue"), .app = &app};

	(void)state;
	assert_true(rackup_is_needed(&t));
	t.prefix = STR("");
	assert_false(rackup_is_needed(&t));
	t.prefix = STR("/bellevue");
	app.prefix = PREFIX_STRIP;
	assert_false(rackup_is_needed(&t));
	app = (struct app_conf){.framework = FRAMEWORK_GENERIC, .prefix = PREFIX_PASS};
	assert_false(rackup_is_needed(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_known_by_their_words),
		cmocka_unit_test(only_a_rails_that_keeps_its_path_needs_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
