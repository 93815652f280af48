/* options.c - parses the command line by verbs.def and options.def. */
/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "command/command_int.h"

#define ON(verb) (1u << VERB_##verb)
#define BIT(v)	 (1u << (v))
#define ACTIONS	 (ON(START) | ON(STOP) | ON(RESTART))
#define LIVE                                                                                       \
	(ACTIONS | ON(BUSY) | ON(STATUS) | ON(LOGS) | ON(EVENTS) | ON(CACHE) | ON(MACHINE) |       \
		ON(RELOAD))
#define WRITERS	  (ON(USER) | ON(TENANT) | ON(ROSTER))
#define ALL	  UINT_MAX
#define MAX_LINES 1000

struct option {
	char letter;
	const char *name, *value;
	size_t member;
	unsigned verbs;
	const char *doc;
};

static const struct option options[] = {
#define OPTION(letter, name, value, member, verbs, doc)                                            \
	{letter, name, value, offsetof(struct options, member), verbs, doc},
#include "command/options.def"
};

static const struct {
	size_t min, max;
} word_counts[] = {
#define VERB(name, text, words, min, max, summary) {min, max},
#include "command/verbs.def"
};
static_assert(NITEMS(word_counts) == NVERBS, "one row for each verb");

static const char *const verb_names[] = {
#define VERB(name, text, words, min, max, summary) text,
#include "command/verbs.def"
	NULL,
};
static const char *const option_names[] = {
#define OPTION(letter, name, value, member, verbs, doc) "--" name,
#include "command/options.def"
	NULL,
};

/* The part of argv that has not been read yet. */
struct reader {
	char **argv;
	unsigned used; /* options seen so far, as bits of their index */
	struct options *o;
};

const char *verb_name(enum verb v)
{
	return verb_names[v];
}

static int usage_fault(const struct options *o)
{
	if (o->verb == VERB_RUN)
		fprintf(stderr, "Try: fly-atc help\n");
	else
		fprintf(stderr, "Try: fly-atc help %s\n", verb_name(o->verb));
	return EXIT_USAGE;
}

static int unknown_option(const struct options *o, const char *word)
{
	const char *meant = suggest_word(word, option_names);

	tell_fault("unknown option %s%s%s%s", word, meant ? "; did you mean " : "",
		meant ? meant : "", meant ? "?" : "");
	return usage_fault(o);
}

/* `value` is what follows it in the same word, or NULL. */
static int take_option(struct reader *r, const struct option *option, const char *value)
{
	void *member = (char *)r->o + option->member;

	r->used |= 1u << (option - options);
	if (!option->value) {
		if (value) {
			tell_fault("option --%s takes no value", option->name);
			return usage_fault(r->o);
		}
		*(bool *)member = true;
		return 0;
	}
	if (!value)
		value = *r->argv ? *r->argv++ : NULL;
	if (!value) {
		tell_fault("option --%s needs a value: %s", option->name, option->value);
		return usage_fault(r->o);
	}
	*(const char **)member = value;
	return 0;
}

static int take_long(struct reader *r, char *word)
{
	str name = str_of(word + 2);
	ssize_t equals = str_find_char(name, '=');
	const char *value = equals < 0 ? NULL : name.p + equals + 1;

	if (equals >= 0)
		name.n = (size_t)equals;
	for (size_t i = 0; i < NITEMS(options); i++)
		if (str_eq(name, str_of(options[i].name)))
			return take_option(r, &options[i], value);
	if (equals >= 0)
		word[2 + equals] = 0;
	return unknown_option(r->o, word);
}

/* Letters may be combined: -fn20 is -f -n 20. */
static int take_letters(struct reader *r, const char *word)
{
	for (const char *at = word + 1; *at; at++) {
		const struct option *found = NULL;
		int err;

		for (size_t i = 0; i < NITEMS(options); i++)
			if (options[i].letter == *at)
				found = &options[i];
		if (!found)
			return unknown_option(r->o, word);
		err = take_option(r, found, found->value && at[1] ? at + 1 : NULL);
		if (err || found->value)
			return err;
	}
	return 0;
}

/* Takes options from the front.  *ret_ended: there was a "--". */
static int take_options(struct reader *r, bool *ret_ended)
{
	*ret_ended = false;
	while (*r->argv && (*r->argv)[0] == '-' && (*r->argv)[1]) {
		char *word = *r->argv++;
		int err;

		if (str_eq(str_of(word), STR("--"))) {
			*ret_ended = true;
			return 0;
		}
		err = word[1] == '-' ? take_long(r, word) : take_letters(r, word);
		if (err)
			return err;
	}
	return 0;
}

static bool find_verb(const char *word, enum verb *ret)
{
	for (unsigned i = 0; i < NVERBS; i++) {
		if (str_eq(str_of(word), str_of(verb_names[i]))) {
			*ret = (enum verb)i;
			return true;
		}
	}
	return false;
}

static bool is_in_path(const char *name)
{
	const char *path = getenv("PATH");
	str rest = str_of(path ? path : "/usr/bin:/bin"), directory;
	bool found = false;

	while (!found && str_split(&rest, ':', &directory)) {
		char *file = xasprintf(STR_FMT "/%s", STR_ARG(directory), name);

		found = access(file, X_OK) == 0;
		free(file);
	}
	return found;
}

/* A first word that is not a command belongs to the application; unless it is a typo. */
static int check_command(const struct options *o)
{
	const char *word = o->words[0], *meant;

	if (!word || strchr(word, '/') || is_in_path(word))
		return 0;
	meant = suggest_word(word, verb_names);
	if (!meant)
		return 0;
	tell_fault("unknown command %s; did you mean %s?", word, meant);
	return usage_fault(o);
}

static void take_rest(struct reader *r)
{
	struct options *o = r->o;

	while (*r->argv)
		o->words[o->nwords++] = *r->argv++;
}

/* Options and words in any order; after "--" there are only words. */
static int take_words(struct reader *r)
{
	bool has_ended = false;

	while (*r->argv && !has_ended) {
		int err = take_options(r, &has_ended);

		if (err)
			return err;
		if (*r->argv && !has_ended)
			r->o->words[r->o->nwords++] = *r->argv++;
	}
	if (has_ended)
		for (char **at = r->argv; *at; at++)
			r->o->ncommand++;
	take_rest(r);
	return 0;
}

static int read_command_line(struct reader *r)
{
	struct options *o = r->o;
	bool has_ended;
	int err = take_options(r, &has_ended);

	if (err)
		return err;
	if (!has_ended && *r->argv && find_verb(*r->argv, &o->verb)) {
		r->argv++;
		if (o->verb != VERB_RUN)
			return take_words(r);
		err = take_options(r, &has_ended);
		take_rest(r);
		return err;
	}
	take_rest(r);
	return has_ended ? 0 : check_command(o);
}

static int check_options(const struct reader *r)
{
	const struct options *o = r->o;
	uint64_t lines;

	for (size_t i = 0; i < NITEMS(options); i++) {
		if (r->used & 1u << i && !(options[i].verbs & 1u << o->verb)) {
			tell_fault("%s has no option --%s", verb_name(o->verb), options[i].name);
			return usage_fault(o);
		}
	}
	if (o->lines && number_parse(str_of(o->lines), MAX_LINES, &lines) < 0) {
		tell_fault("--lines takes a number up to %d, not %s", MAX_LINES, o->lines);
		return usage_fault(o);
	}
	return 0;
}

static int check_word_count(const struct options *o)
{
	if (o->nwords > word_counts[o->verb].max) {
		tell_fault("%s: unexpected argument %s", verb_name(o->verb),
			o->words[word_counts[o->verb].max]);
		return usage_fault(o);
	}
	if (o->nwords < word_counts[o->verb].min) {
		tell_fault(BIT(o->verb) & WRITERS ? "%s: what is to be done?" : "%s: which tenant?",
			verb_name(o->verb));
		return usage_fault(o);
	}
	return 0;
}

/* One tenant or all of them; how is only for all. */
static int check_restart(const struct options *o)
{
	msec timeout;

	if (o->shows_all && o->nwords) {
		tell_fault("restart: %s or --all?", o->words[0]);
		return usage_fault(o);
	}
	if (!o->shows_all && !o->nwords) {
		tell_fault("restart: which tenant?  For every one that is awake: --all");
		return usage_fault(o);
	}
	if (!o->shows_all && (o->keeps_going || o->is_hurried || o->timeout)) {
		tell_fault("restart: --keep-going, --now and --timeout go with --all");
		return usage_fault(o);
	}
	if (o->timeout && number_parse_duration(str_of(o->timeout), &timeout) < 0) {
		tell_fault("--timeout takes a duration as 30s or 5m, not %s", o->timeout);
		return usage_fault(o);
	}
	return 0;
}

static bool is_called_thrust(const char *path)
{
	str name = str_of(path);

	return str_eq(name, STR("thrust")) || str_ends(name, STR("/thrust"));
}

int options_parse(struct options *ret, int argc, char **argv)
{
	struct reader r = {.argv = argc ? argv + 1 : argv, .o = ret};
	int err;

	*ret = (struct options){.verb = VERB_RUN};
	ret->words = xcalloc((size_t)argc + 1, sizeof(*ret->words));
	if (argc && is_called_thrust(argv[0])) {
		ret->is_thrust = true;
		take_rest(&r);
		return 0;
	}
	err = read_command_line(&r);
	if (!err && !ret->wants_help && !ret->wants_version)
		err = check_options(&r);
	if (!err && !ret->wants_help && !ret->wants_version)
		err = check_word_count(ret);
	if (!err && !ret->wants_help && !ret->wants_version && ret->verb == VERB_RESTART)
		err = check_restart(ret);
	return err;
}

void options_describe(enum verb v, struct buf *out)
{
	for (size_t i = 0; i < NITEMS(options); i++) {
		const struct option *option = &options[i];
		char letter[] = "-x, ", *text;

		if (!(option->verbs & 1u << v))
			continue;
		letter[1] = option->letter;
		text = xasprintf("%s--%s%s%s", option->letter ? letter : "    ", option->name,
			option->value ? " " : "", option->value ? option->value : "");
		buf_printf(out, "  %-22s%s\n", text, option->doc);
		free(text);
	}
}
