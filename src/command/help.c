/* help.c - what the program says about itself. */
/* SPDX-License-Identifier: MIT */
#include "command/command_int.h"
#include "framework/framework.h"

struct verb_help {
	const char *words, *summary;
};

static const struct verb_help verbs[] = {
#define VERB(name, text, words, min, max, summary) {words, summary},
#include "command/verbs.def"
};

/* Where the summaries begin. */
#define COLUMN 24

void help_usage(struct buf *out)
{
	buf_add(out, STR("usage: fly-atc [run] [-c FILE] [COMMAND...]\n       fly-atc "));
	for (unsigned i = VERB_RUN + 1; i < NVERBS; i++)
		buf_printf(out, "%s%s", verb_name((enum verb)i), i + 1 < NVERBS ? "|" : "\n");
}

static void describe_verb(enum verb v, struct buf *out)
{
	int used = (int)(strlen(verb_name(v)) + strlen(verbs[v].words) + 3);

	buf_printf(out, "  %s %s", verb_name(v), verbs[v].words);
	if (used > COLUMN - 2) {
		buf_add_char(out, '\n');
		used = 0;
	}
	buf_printf(out, "%*s%s\n", COLUMN - used, "", verbs[v].summary);
}

static void help_all(struct buf *out)
{
	help_usage(out);
	buf_add(out,
		STR("\n"
		    "Serves many tenants of a web application, each with its own databases; each\n"
		    "is restored and started when a request comes, and stopped when idle.\n"
		    "\n"));
	for (unsigned i = 0; i < NVERBS; i++)
		describe_verb((enum verb)i, out);
	buf_add_char(out, '\n');
	options_describe(VERB_RUN, out);
	buf_printf(out,
		"\n"
		"A first word that is none of these is the application's command:\n"
		"fly-atc %s.  If the application's command has the name of one\n"
		"of these: fly-atc run COMMAND.  Behind -- everything is the command.\n"
		"\n"
		"See fly-atc(1), and fly-atc.yml(5) for the configuration.\n",
		framework_preset(0)->example);
}

void help_verb(enum verb v, struct buf *out)
{
	buf_printf(out, "usage: fly-atc %s [OPTION...]%s%s\n\n%c%s.\n\n", verb_name(v),
		*verbs[v].words ? " " : "", verbs[v].words, verbs[v].summary[0] & ~0x20,
		verbs[v].summary + 1);
	options_describe(v, out);
}

int help_run(const struct options *o)
{
	const char *word = o->nwords ? o->words[0] : NULL;
	struct buf out = {0};
	unsigned v = 0;

	while (word && v < NVERBS && !str_eq(str_of(word), str_of(verb_name((enum verb)v))))
		v++;
	if (v == NVERBS) {
		tell_fault("help: there is no command %s", word);
		return EXIT_USAGE;
	}
	if (word)
		help_verb((enum verb)v, &out);
	else
		help_all(&out);
	print_buf(&out, stdout);
	buf_done(&out);
	return 0;
}
