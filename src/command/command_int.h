/* command_int.h - what the files of the command line share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "command/command.h"
#include "config/config.h"

#define EXIT_RUNTIME 1
#define EXIT_USAGE   2
#define EXIT_WAITING 3 /* it goes on, but was not waited for any longer */

enum verb {
#define VERB(name, text, words, min, max, summary) VERB_##name,
#include "command/verbs.def"
	NVERBS
};
const char *verb_name(enum verb v);

/* The parsed command line.  Everything is borrowed from argv. */
struct options {
	enum verb verb;
	bool is_thrust; /* called by the name thrust */
	bool wants_help, wants_version;
	const char *file;   /* -c */
	const char *socket; /* -s */
	bool as_json, shows_all, follows, no_wait, keeps_going, is_hurried, is_forced, is_dry,
		goes_to;
	bool is_quiet;	     /* if no fly-atc answers, nothing is said */
	const char *lines;   /* -n; digits */
	const char *timeout; /* a duration */
	char **words;	     /* the words after the command; NULL-ended */
	size_t nwords;
	size_t ncommand; /* of these: after "--"; the last ones */
};

/* options.c: 0, or EXIT_USAGE when the fault has been reported on standard error. */
int options_parse(struct options *ret, int argc, char **argv);
/* The lines of help about a command's options. */
void options_describe(enum verb v, struct buf *out);

/* suggest.c: the one of candidates (NULL-ended) that was probably meant, or NULL. */
const char *suggest_word(const char *word, const char *const *candidates);

/* help.c */
void help_usage(struct buf *out);
void help_verb(enum verb v, struct buf *out);
int help_run(const struct options *o);

/* run.c */
int run_run(const struct options *o);
int run_check(const struct options *o);
int run_dump(const struct options *o);

/* status.c */
int status_run(const struct options *o);

/* tell.c: "fly-atc: " and the text, on standard error. */
void tell_fault(const char *fmt, ...) PRINTF(1, 2);
void print_buf(const struct buf *b, FILE *file);
