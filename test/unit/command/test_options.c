/* test_options.c - what the command line is understood to ask for. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/alloc.h"
#include "command/command_int.h"

#define MAX_WORDS 16

/* Splits at blanks; the words are copies, since the parser may write to them. */
struct line {
	char *text;
	char *argv[MAX_WORDS];
	int argc;
};

static struct line line_of(const char *text)
{
	struct line l = {.text = xstrdup(text)};

	for (char *at = l.text, *word; (word = strsep(&at, " "));)
		l.argv[l.argc++] = word;
	return l;
}

static int parse(struct line *l, const char *text, struct options *ret)
{
	*l = line_of(text);
	return options_parse(ret, l->argc, l->argv);
}

static void done(struct line *l, struct options *o)
{
	free(o->words);
	free(l->text);
}

static void a_first_word_that_is_no_command_begins_the_application_s(void **state)
{
	static const struct {
		const char *line, *first;
		size_t nwords;
	} cases[] = {
		{"fly-atc bin/rails server -p 3000 --json", "bin/rails", 5},
		{"fly-atc run bin/rails server", "bin/rails", 2},
		{"fly-atc run -- -odd", "-odd", 1},
		{"fly-atc run status", "status", 1},
		{"fly-atc -c x.yml run -c y.yml bin/rails -c", "bin/rails", 2},
		{"fly-atc -- status", "status", 1},
		{"fly-atc --config=x.yml sh -c true", "sh", 3},
		{"fly-atc nobody-has-this-in-their-path", "nobody-has-this-in-their-path", 1},
		{"fly-atc", NULL, 0},
		{"fly-atc run", NULL, 0},
		{"fly-atc run --", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct options o;
		struct line l;

		assert_int_equal(parse(&l, cases[i].line, &o), 0);
		assert_int_equal(o.verb, VERB_RUN);
		assert_int_equal(o.nwords, cases[i].nwords);
		if (cases[i].first)
			assert_string_equal(o.words[0], cases[i].first);
		assert_null(o.words[o.nwords]);
		done(&l, &o);
	}
}

static void options_are_found_on_both_sides_of_a_command(void **state)
{
	struct options o;
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, "fly-atc -c a.yml logs -fn20 bellevue/2025 -sx", &o), 0);
	assert_int_equal(o.verb, VERB_LOGS);
	assert_string_equal(o.file, "a.yml");
	assert_string_equal(o.lines, "20");
	assert_string_equal(o.socket, "x");
	assert_true(o.follows);
	assert_int_equal(o.nwords, 1);
	assert_string_equal(o.words[0], "bellevue/2025");
	done(&l, &o);
	assert_int_equal(parse(&l, "fly-atc --json status --all --socket /s", &o), 0);
	assert_int_equal(o.verb, VERB_STATUS);
	assert_true(o.as_json && o.shows_all);
	assert_string_equal(o.socket, "/s");
	done(&l, &o);
	assert_int_equal(parse(&l, "fly-atc restart --timeout 5m -a --keep-going", &o), 0);
	assert_true(o.shows_all && o.keeps_going && !o.is_hurried);
	assert_string_equal(o.timeout, "5m");
	done(&l, &o);
	assert_int_equal(parse(&l, "fly-atc stop -- -odd", &o), 0);
	assert_string_equal(o.words[0], "-odd");
	done(&l, &o);
}

static void what_makes_no_sense_is_a_fault_of_usage(void **state)
{
	static const char *const cases[] = {
		"fly-atc --jsn",
		"fly-atc -x",
		"fly-atc -c",
		"fly-atc --config",
		"fly-atc status --json=1",
		"fly-atc status -f",
		"fly-atc --json bin/rails server",
		"fly-atc check extra",
		"fly-atc start",
		"fly-atc start a b",
		"fly-atc logs a -n x",
		"fly-atc logs a -n 1001",
		"fly-atc logs a -n -1",
		"fly-atc statsu",
		"fly-atc realod",
		"fly-atc chek",
		"fly-atc run --json x",
		"fly-atc restart",
		"fly-atc restart a b",
		"fly-atc restart a --all",
		"fly-atc restart a --now",
		"fly-atc restart a --keep-going",
		"fly-atc restart a --timeout 5m",
		"fly-atc restart --all --timeout soon",
		"fly-atc stop --all",
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct options o;
		struct line l;

		if (parse(&l, cases[i], &o) != EXIT_USAGE)
			fail_msg("accepted: %s", cases[i]);
		done(&l, &o);
	}
}

static void help_is_given_whatever_else_is_said(void **state)
{
	static const struct {
		const char *line;
		enum verb verb;
	} cases[] = {
		{"fly-atc -h", VERB_RUN},
		{"fly-atc --help status", VERB_STATUS},
		{"fly-atc start --help", VERB_START},
		{"fly-atc logs -h --json", VERB_LOGS},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct options o;
		struct line l;

		assert_int_equal(parse(&l, cases[i].line, &o), 0);
		assert_true(o.wants_help);
		assert_int_equal(o.verb, cases[i].verb);
		done(&l, &o);
	}
}

static void under_the_name_thrust_everything_is_the_command(void **state)
{
	static const char *const cases[] = {
		"thrust status --json -h", "/usr/bin/thrust status --json -h", "./thrust -c -- x"};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct options o;
		struct line l;

		assert_int_equal(parse(&l, cases[i], &o), 0);
		assert_true(o.is_thrust);
		assert_int_equal(o.verb, VERB_RUN);
		assert_int_equal(o.nwords, 3);
		assert_false(o.wants_help);
		done(&l, &o);
	}
}

static void a_slip_of_the_finger_is_recognised(void **state)
{
	static const char *const names[] = {"status", "start", "stop", "reload", "--json", NULL};
	static const struct {
		const char *word, *meant;
	} cases[] = {
		{"statsu", "status"},
		{"stat", "start"},
		{"sotp", "stop"},
		{"relod", "reload"},
		{"--jsn", "--json"},
		{"bundle", NULL},
		{"node", NULL},
		{"x", NULL},
		{"", NULL},
		{"a-word-that-is-longer-than-all-that-we-could-ever-compare", NULL},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		const char *meant = suggest_word(cases[i].word, names);

		if (!cases[i].meant)
			assert_null(meant);
		else
			assert_string_equal(meant, cases[i].meant);
	}
}

static void each_option_is_described_where_it_belongs(void **state)
{
	struct buf out = {0};

	(void)state;
	options_describe(VERB_LOGS, &out);
	buf_add_char(&out, 0);
	assert_non_null(strstr(buf_str(&out).p, "-f, --follow"));
	assert_non_null(strstr(buf_str(&out).p, "-c, --config FILE"));
	assert_non_null(strstr(buf_str(&out).p, "--json"));
	assert_null(strstr(buf_str(&out).p, "--all"));
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_word_that_is_no_command_begins_the_application_s),
		cmocka_unit_test(options_are_found_on_both_sides_of_a_command),
		cmocka_unit_test(what_makes_no_sense_is_a_fault_of_usage),
		cmocka_unit_test(help_is_given_whatever_else_is_said),
		cmocka_unit_test(under_the_name_thrust_everything_is_the_command),
		cmocka_unit_test(a_slip_of_the_finger_is_recognised),
		cmocka_unit_test(each_option_is_described_where_it_belongs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
