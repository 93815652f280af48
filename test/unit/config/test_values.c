/* test_values.c - each type of setting: what is read, as what, and what is refused. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

static struct config *with(const char *section, const char *key, const char *value)
{
	char text[512];

	snprintf(text, sizeof(text), "%s:\n  %s: %s\n", section, key, value);
	return load_good(text, NULL);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		msec expected;
	} rows[] = {
		{"60", 60000},
		{"60s", 60000},
		{"250ms", 250},
		{"10m", 600000},
		{"2h", 7200000},
		{"1d", 86400000},
		{"0", 0},
		{"\"5s\"", 5000},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config *c = with("server", "connect_timeout", rows[i].text);

		assert_int_equal(c->server.connect_timeout, rows[i].expected);
		config_unref(c);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t expected;
	} rows[] = {
		{"0", 0},
		{"1000", 1000},
		{"64MB", 64000000},
		{"512KiB", 512 * 1024},
		{"2GiB", 2ull << 30},
		{"5GB", 5000000000},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config *c = with("server", "max_request_body", rows[i].text);

		assert_int_equal(c->server.max_request_body, rows[i].expected);
		config_unref(c);
	}
}

static void test_booleans_and_numbers(void **state)
{
	static const char *const truths[] = {"true", "True", "TRUE"}, *const lies[] = {"false",
									      "False", "FALSE"};
	struct config *c;

	(void)state;
	for (size_t i = 0; i < NITEMS(truths); i++) {
		c = with("server", "debug", truths[i]);
		assert_true(c->server.debug);
		config_unref(c);
		c = with("server", "log_requests", lies[i]);
		assert_false(c->server.log_requests);
		config_unref(c);
	}
	c = with("server", "max_running", "12");
	assert_int_equal(c->server.max_running, 12);
	config_unref(c);
	c = with("server", "gzip_compression_jitter", "-1");
	assert_int_equal(c->server.gzip_compression_jitter, -1);
	config_unref(c);
}

static void test_log_levels_of_the_prototype(void **state)
{
	static const struct {
		const char *text;
		enum log_level expected;
	} rows[] = {
		{"error", LOG_ERROR},
		{"warn", LOG_WARN},
		{"info", LOG_INFO},
		{"debug", LOG_DEBUG},
		{"8", LOG_ERROR},
		{"4", LOG_WARN},
		{"0", LOG_INFO},
		{"-4", LOG_DEBUG},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config *c = with("server", "log_level", rows[i].text);

		assert_int_equal(c->server.log_level, rows[i].expected);
		config_unref(c);
	}
}

static void test_paths_become_absolute(void **state)
{
	char *cwd = getcwd(NULL, 0), expected[4096];
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"/a/b", "/a/b"},
		{"/a//b/./c/", "/a/b/c"},
		{"/", "/"},
		{"\"\"", ""},
	};
	struct config *c;

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		c = with("server", "bad_gateway_page", rows[i].text);
		assert_str(c->server.bad_gateway_page, rows[i].expected);
		config_unref(c);
	}
	c = with("server", "bad_gateway_page", "./x/../y.html");
	snprintf(expected, sizeof(expected), "%s/x/../y.html", cwd);
	assert_str(c->server.bad_gateway_page, expected);
	config_unref(c);
	free(cwd);
}

static void test_lists(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"[/a, /b*]", "/a|/b*"},
		{"/a, /b", "/a|/b"},
		{"/a  /b", "/a|/b"},
		{"[]", ""},
		{"\"\"", ""},
		{"[\"/a b\"]", "/a b"},
		{"\n    - /x\n    - /y", "/x|/y"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config *c = with("server", "log_exclude", rows[i].text);

		assert_list(c->server.log_exclude, rows[i].expected);
		config_unref(c);
	}
}

static void test_trusted_proxies(void **state)
{
	struct config *c =
		with("server", "trusted_proxies", "[10.0.0.0/8, 2001:db8::/32, 192.0.2.1, fly]");

	(void)state;
	assert_list(c->server.trusted_proxies, "10.0.0.0/8|2001:db8::/32|192.0.2.1|fly");
	config_unref(c);
	c = with("server", "trusted_proxies", "none");
	assert_int_equal(c->server.trusted_proxies.count, 0);
	config_unref(c);
	assert_faults("server:\n  trusted_proxies: [none, fly]\n",
		"2:20: error: trusted_proxies: \"none\" is no address, no network such as 10.0.0.0/8, nor "
		"loopback, private or fly\n");
}

/* Commands are seen with tenants, where app: says them. */
static void test_commands(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"bin/rails server", "bin/rails|server"},
		{"[bin/rails, server, -p, 3]", "bin/rails|server|-p|3"},
		{"\"sh -c 'echo \\\"a  b\\\"'\"", "sh|-c|echo \"a  b\""},
		{"'a \"b c\"d e\\ f'", "a|b cd|e f"},
		{"a '' b", "a||b"},
		{"a ${HOME:-x y} b", "a|x y|b"},
		{"a $$HOME 'b$c'", "a|$$HOME|b$c"},
		{"a \\$x", "a|$$x"},
		{"a ${tenant.id}", "a|${tenant.id}"},
		{"[a, \"b  $$ c\", \"${tenant.port}\"]", "a|b  $$ c|${tenant.port}"},
		{"sh -c '${X:-a}' \"${X:-b}\"", "sh|-c|a|b"},
		{"[sh, -c, \"one\\ntwo\"]", "sh|-c|one\ntwo"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		char text[512];
		struct loaded l;

		snprintf(text, sizeof(text), "app:\n  command: %s\nusers: {a: {tenants: [b]}}\n",
			rows[i].text);
		l = load_with(text, NULL, NULL);
		assert_non_null(l.c);
		assert_list(tenant(l.c, "a/b")->app->command, rows[i].expected);
		loaded_done(&l);
	}
}

static void test_commands_that_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"a | b", "command: this needs a shell"},
		{"a && b", "command: this needs a shell"},
		{"a > b", "command: this needs a shell"},
		{"a `b`", "command: this needs a shell"},
		{"a $HOME", "command: write ${NAME}"},
		{"a 'b", "a quote is not closed"},
		{"\"a \\\\\"", "a backslash ends the command"},
		{"a ${b", "${ without }"},
		{"RAILS_ENV=x a", "put it into env:"},
		{"[]", "command: names no program"},
		{"\"  \"", "command: names no program"},
		{"[\"\", a]", "command: names no program"},
		{"{a: b}", "expected a command: a text or a list of words, not a map"},
		{"[a, [b]]", "command: expected a text, not a list"},
		{"", "expected a command: a text or a list of words, not nothing"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		char text[512];
		struct loaded l;

		snprintf(text, sizeof(text), "app:\n  command: %s\nusers: {a: {tenants: [b]}}\n",
			rows[i].text);
		l = load_with(text, NULL, NULL);
		assert_true(has_fault(&l, rows[i].why));
		assert_int_equal(l.faults.errors, 1);
		loaded_done(&l);
	}
}

static void test_env_is_joined_from_far_to_near(void **state)
{
	struct config *c = load_good("app:\n  env: {A: 1, B: two words, C: '', D: ~}\n"
				     "users:\n  u:\n    env: {B: user, E: x}\n"
				     "    tenants: {t: {env: {A: ~, F: \"${tenant.id}\"}}, s: }\n",
		NULL);
	const struct env_list *app = &c->app.env, *t = &tenant(c, "u/t")->app->env;

	(void)state;
	assert_int_equal(app->count, 4);
	assert_str(app->items[1].value, "two words");
	assert_true(app->items[3].is_unset && !app->items[2].is_unset);
	assert_int_equal(t->count, 6);
	assert_str(t->items[0].name, "A");
	assert_true(t->items[0].is_unset);
	assert_str(t->items[1].value, "user");
	assert_str(t->items[4].name, "E");
	assert_str(t->items[5].value, "${tenant.id}");
	assert_int_equal(tenant(c, "u/s")->app->env.count, 5);
	config_unref(c);
}

static void test_stop_signals(void **state)
{
	struct config *c = with("app", "stop_signal", "SIGINT");

	(void)state;
	assert_str(c->app.stop_signal, "INT");
	assert_int_equal(config_stop_signal(&c->app), 2);
	config_unref(c);
}

static void test_patterns_of_paths(void **state)
{
	str items[] = {STR("/up"), STR("/assets/*"), STR("*.png"), STR_EMPTY};
	const struct str_list list = {items, NITEMS(items)};
	str everything[] = {STR("*")};

	(void)state;
	assert_true(config_path_matches(&list, STR("/up")));
	assert_true(config_path_matches(&list, STR("/assets/")));
	assert_true(config_path_matches(&list, STR("/assets/a/b.css")));
	assert_true(config_path_matches(&list, STR("/a/b.png")));
	assert_false(config_path_matches(&list, STR("/a/b.png/")));
	assert_false(config_path_matches(&list, STR("/up/")));
	assert_false(config_path_matches(&list, STR("/upper")));
	assert_false(config_path_matches(&list, STR("/assets")));
	assert_false(config_path_matches(&list, STR("/")));
	assert_true(config_path_matches(&(struct str_list){everything, 1}, STR("/a")));
	assert_false(config_path_matches(&(struct str_list){0}, STR("/a")));
}

static void test_the_last_pattern_decides(void **state)
{
	str excepted[] = {
		STR("/.*"), STR("!/.well-known/*"), STR("!*.ics"), STR("/.well-known/s*")};
	struct str_list dots = {excepted, NITEMS(excepted)};

	(void)state;
	assert_true(config_path_matches(&dots, STR("/.env")));
	assert_true(config_path_matches(&dots, STR("/.well-known")));
	assert_false(config_path_matches(&dots, STR("/.well-known/caldav")));
	assert_false(config_path_matches(&dots, STR("/.web/a.ics")));
	assert_true(config_path_matches(&dots, STR("/.well-known/security.txt")));
	assert_false(config_path_matches(&dots, STR("/index")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_booleans_and_numbers),
		cmocka_unit_test(test_log_levels_of_the_prototype),
		cmocka_unit_test(test_paths_become_absolute),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_trusted_proxies),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_commands_that_are_refused),
		cmocka_unit_test(test_env_is_joined_from_far_to_near),
		cmocka_unit_test(test_stop_signals),
		cmocka_unit_test(test_patterns_of_paths),
		cmocka_unit_test(test_the_last_pattern_decides),
	};

	return cmocka_run_group_tests_name("values", tests, enter_directory, leave_directory);
}
