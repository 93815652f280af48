/* test_framework.c - the table of frameworks: whole, and asked as its header says. */
/* SPDX-License-Identifier: MIT */
#include "framework/framework.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static const struct framework_place place = {
	STR_INIT("staging"), STR_INIT("/data/one"), STR_INIT("/one")};

/* A directory with these files, which are empty; NULL-ended. */
static char *folder_with(const char *const *files)
{
	char *root = xstrdup("/tmp/atc-framework-XXXXXX");

	assert_non_null(mkdtemp(root));
	for (; *files; files++) {
		CLEAN_FREE char *command =
			xasprintf("cd %s && mkdir -p $(dirname %s) && : >%s", root, *files, *files);

		assert_int_equal(system(command), 0);
	}
	return root;
}

static void remove_folder(const char *root)
{
	CLEAN_FREE char *command = xasprintf("rm -r %s", root);

	assert_int_equal(system(command), 0);
}

static void an_application_is_of_the_first_framework_that_knows_it(void **state)
{
	static const struct {
		const char *files[4];
		enum framework expected;
	} cases[] = {
		{{"bin/rails"}, FRAMEWORK_RAILS},
		{{"package.json"}, FRAMEWORK_NODE},
		{{"package.json", "bin/rails"}, FRAMEWORK_RAILS},
		{{"README"}, FRAMEWORK_GENERIC},
		{{NULL}, FRAMEWORK_GENERIC},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char *root = folder_with(cases[i].files);

		assert_int_equal(framework_recognise(str_of(root)), cases[i].expected);
		remove_folder(root);
		free(root);
	}
}

/* A row that forgets one of these would be found by its first application only. */
static void every_preset_says_what_has_no_other_default(void **state)
{
	const char *const *names = framework_names();

	(void)state;
	for (enum framework f = 0; f < NFRAMEWORKS; f++) {
		const struct preset *p = framework_preset(f);

		assert_string_equal(p->word, names[f]);
		assert_non_null(p->example);
		assert_int_equal(p->health_check[0], '/');
		assert_non_null(strstr(p->url, "{path}"));
		assert_true((p->recognised_by == NULL) == (f == FRAMEWORK_ANY));
		/* Who has a database of himself may get another one. */
		assert_true(!p->databases || (p->database_path && p->database_variable));
		for (const struct framework_variable *v = p->variables; v && v->name; v++)
			assert_true((v->doc != NULL) == (v->how == TELL_NAMED));
	}
	assert_null(names[NFRAMEWORKS]);
}

static void the_choice_is_told_as_people_say_it(void **state)
{
	struct buf text = {0};

	(void)state;
	for (enum framework f = 0; f < NFRAMEWORKS; f++)
		buf_printf(&text, "%s%s",
			!f		     ? ""
			: f == FRAMEWORK_ANY ? " or "
					     : ", ",
			framework_preset(f)->word);
	buf_add_char(&text, '\0');
	assert_string_equal(framework_choice(), text.p);
	buf_done(&text);
}

static void assert_value(
	const char *pattern, const struct framework_place *where, const char *expected)
{
	struct framework_variable v = {.name = "V", .value = pattern};
	CLEAN_FREE char *value = framework_value(FRAMEWORK_RAILS, &v, where);

	if (expected)
		assert_string_equal(value, expected);
	else
		assert_null(value);
}

static void a_value_is_filled_in(void **state)
{
	struct framework_place root = place;

	(void)state;
	root.prefix = STR_EMPTY;
	assert_value("127.0.0.1", &place, "127.0.0.1");
	assert_value("{environment}", &place, "staging");
	assert_value("{prefix}/", &place, "/one/");
	assert_value("a {pid_file} b", &place, "a /data/one/tmp/pids/server.pid b");
	assert_value("{none} {", &place, "{none} {");
	assert_value("", &root, "");
	/* Where there is no prefix nobody is told of one. */
	assert_value("{prefix}/", &root, NULL);
}

static void a_value_that_looks_like_a_word_stays(void **state)
{
	struct framework_place odd = place;

	(void)state;
	odd.environment = STR("{prefix}");
	assert_value("{environment}{prefix}", &odd, "{prefix}/one");
}

static void a_database_is_told_in_a_variable_of_its_name(void **state)
{
	static const struct {
		enum framework f;
		const char *name, *expected;
	} cases[] = {
		{FRAMEWORK_RAILS, "primary", "DATABASE_URL"},
		{FRAMEWORK_RAILS, "cache", "CACHE_DATABASE_URL"},
		{FRAMEWORK_NODE, "my_own2", "MY_OWN2_DATABASE_URL"},
		{FRAMEWORK_GENERIC, "primary", NULL},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		CLEAN_FREE char *variable =
			framework_database_variable(cases[i].f, str_of(cases[i].name));

		assert_true((variable == NULL) == (cases[i].expected == NULL));
		if (variable)
			assert_string_equal(variable, cases[i].expected);
	}
}

static void only_named_variables_may_be_used_in_commands(void **state)
{
	(void)state;
	assert_true(framework_names_variable(FRAMEWORK_RAILS, STR("RAILS_ENV")));
	assert_true(framework_names_variable(FRAMEWORK_RAILS, STR("PIDFILE")));
	assert_false(framework_names_variable(FRAMEWORK_RAILS, STR("BINDING")));
	assert_false(framework_names_variable(FRAMEWORK_RAILS, STR("NODE_ENV")));
	assert_true(framework_names_variable(FRAMEWORK_NODE, STR("NODE_ENV")));
	assert_false(framework_names_variable(FRAMEWORK_GENERIC, STR("NODE_ENV")));
}

static void words_are_added_for_the_framework_that_needs_them(void **state)
{
	static char *const argv[] = {"puma", NULL};
	const struct framework_start start = {
		.run_dir = "/run", .prefix = STR("/one"), .is_inherited = true};
	char *words[FRAMEWORK_WORDS];

	(void)state;
	assert_int_equal(framework_words(FRAMEWORK_GENERIC, argv, &start, words), 0);
	assert_int_equal(framework_words(FRAMEWORK_RAILS, argv, &start, words), 2);
	assert_string_equal(words[1], "/run/prefix.ru");
	free(words[0]);
	free(words[1]);
}

static void our_files_are_written(void **state)
{
	static const char *const none[] = {NULL};
	char *root = folder_with(none), *path = xasprintf("%s/prefix.ru", root);
	CLEAN_FREE char *nowhere = xasprintf("%s/nowhere", root);

	(void)state;
	assert_int_equal(framework_write(root), 0);
	assert_int_equal(access(path, R_OK), 0);
	assert_int_equal(framework_write(nowhere), -ENOENT);
	remove_folder(root);
	free(path);
	free(root);
}

static void folders_of_any_framework_are_known(void **state)
{
	(void)state;
	assert_true(framework_has_private(STR("storage")) && framework_has_private(STR("LOG")));
	assert_false(framework_has_private(STR("stor")) || framework_has_private(STR_EMPTY));
	assert_true(framework_is_passing("tmp") && framework_is_worthless(".npm"));
	assert_false(framework_is_passing("storage") || framework_is_worthless("npm"));
	assert_true(framework_is_built(STR("assets")));
	assert_false(framework_is_built(STR("Assets")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_application_is_of_the_first_framework_that_knows_it),
		cmocka_unit_test(every_preset_says_what_has_no_other_default),
		cmocka_unit_test(the_choice_is_told_as_people_say_it),
		cmocka_unit_test(a_value_is_filled_in),
		cmocka_unit_test(a_value_that_looks_like_a_word_stays),
		cmocka_unit_test(a_database_is_told_in_a_variable_of_its_name),
		cmocka_unit_test(only_named_variables_may_be_used_in_commands),
		cmocka_unit_test(words_are_added_for_the_framework_that_needs_them),
		cmocka_unit_test(our_files_are_written),
		cmocka_unit_test(folders_of_any_framework_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
