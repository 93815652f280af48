/* command.c - picks the function for the verb. */
/* SPDX-License-Identifier: MIT */
#include "command/command.h"

#include <stdlib.h>

#include "command/busy.h"
#include "command/cache.h"
#include "command/command_int.h"
#include "command/live.h"
#include "command/machine.h"
#include "command/roster.h"

static int print_version(void)
{
	puts("fly-atc " FLY_ATC_VERSION);
	return 0;
}

static int help_about(const struct options *o)
{
	struct buf out = {0};

	if (o->verb == VERB_RUN && !o->nwords)
		return help_run(o);
	help_verb(o->verb, &out);
	print_buf(&out, stdout);
	buf_done(&out);
	return 0;
}

static int dispatch(const struct options *o)
{
	if (o->wants_help)
		return help_about(o);
	if (o->wants_version)
		return print_version();
	switch (o->verb) {
	case VERB_RUN:
		return run_run(o);
	case VERB_CHECK:
		return run_check(o);
	case VERB_DUMP:
		return run_dump(o);
	case VERB_STATUS:
		return status_run(o);
	case VERB_START:
	case VERB_STOP:
		return live_act(o);
	case VERB_RESTART:
		return o->shows_all ? restart_all(o) : live_act(o);
	case VERB_BUSY:
		return busy_run(o);
	case VERB_LOGS:
		return live_logs(o);
	case VERB_EVENTS:
		return live_events(o);
	case VERB_CACHE:
		return cache_run(o);
	case VERB_MACHINE:
		return machine_run(o);
	case VERB_RELOAD:
		return live_reload(o);
	case VERB_USER:
	case VERB_TENANT:
		return roster_entries_run(o);
	case VERB_ROSTER:
		return roster_history_run(o);
	case VERB_VERSION:
		return print_version();
	case VERB_HELP:
		return help_run(o);
	case NVERBS:
		break;
	}
	return EXIT_USAGE;
}

int command_main(int argc, char **argv)
{
	struct options o;
	int r = options_parse(&o, argc, argv);

	if (r == 0)
		r = dispatch(&o);
	free(o.words);
	if ((fflush(stdout) != 0 || ferror(stdout)) && r == 0) {
		tell_fault("cannot write to standard output");
		r = EXIT_RUNTIME;
	}
	return r;
}
