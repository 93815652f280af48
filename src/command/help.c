/* help.c - what the program says about itself. */
/* SPDX-License-Identifier: MIT */
#include "command/command_int.h"

struct verb_help {
	const char *words, *summary;
};

static const struct verb_help verbs[] = {
#define VERB(name, text, words, min, max, summary) {words, summary},
#include "command/verbs.def"
};

void help_usage(struct buf *out)
{
	buf_add(out,
		STR("usage: fly-atc [run] [-c FILE] [COMMAND...]\n"
		    "       fly-atc check|dump|status|start|stop|restart|busy|logs|reload|version|help\n"));
}

static void help_all(struct buf *out)
{
	help_usage(out);
	buf_add(out,
		STR("\n"
		    "Serves many tenants of a web application, each with its own databases; each\n"
		    "is restored and started when a request comes, and stopped when idle.\n"
		    "\n"));
	for (unsigned i = 0; i < NVERBS; i++) {
		int used = (int)(strlen(verb_name((enum verb)i)) + strlen(verbs[i].words) + 1);

		buf_printf(out, "  %s %s%*s%s\n", verb_name((enum verb)i), verbs[i].words,
			MAX(22 - used, 1), "", verbs[i].summary);
	}
	buf_add(out,
		STR("\n"
		    "A first word that is none of these is the application's command:\n"
		    "fly-atc bin/rails server.  If the application's command has the name of one\n"
		    "of these: fly-atc run COMMAND.  Behind -- everything is the command.\n"
		    "\n"
		    "See fly-atc(1), and fly-atc.yml(5) for the configuration.\n"));
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
		complain("help: there is no command %s", word);
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
