/* run.c - serving, and what can be learned from the configuration without serving: check and
 * dump. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include "backup/backup.h"
#include "base/crash.h"
#include "base/log.h"
#include "command/command_int.h"
#include "command/platform.h"
#include "command/roster_desk.h"
#include "tenant/environment.h"
#include "supervisor/supervisor.h"

#define GAPS_SHOWN	10u
#define LOG_FLUSH_LIMIT 2000u /* milliseconds */

static struct config_source source_of(const struct options *o, bool is_only_read)
{
	return (struct config_source){.file = o->file,
		.command = o->nwords ? o->words : NULL,
		.environ = environ,
		.is_thrust = o->is_thrust,
		.is_only_read = is_only_read};
}

/* Loads the configuration and reports its faults.  NULL if there are errors. */
static struct config *load(const struct config_source *source)
{
	struct config_faults faults;
	struct config *conf = config_load(source, &faults);

	config_faults_print(&faults, STDERR_FILENO);
	config_faults_done(&faults);
	return conf;
}

/* Neither a file nor a command: the user wants to know what fly-atc is. */
static bool has_nothing_to_do(const struct options *o)
{
	struct config_source source = source_of(o, true);
	struct config_faults faults;
	struct config *conf;
	bool has_nothing;

	if (o->nwords || o->file)
		return false;
	conf = config_load(&source, &faults);
	has_nothing = conf && conf->is_single && !conf->file.n && !conf->app.command.count;
	config_unref(conf);
	config_faults_done(&faults);
	return has_nothing;
}

static int explain_missing_command(const struct options *o)
{
	struct buf usage = {0};

	tell_fault("missing upstream command");
	if (o->is_thrust) {
		fputs("usage: thrust COMMAND...\n", stderr);
		return EXIT_RUNTIME; /* like Thruster's */
	}
	help_usage(&usage);
	print_buf(&usage, stderr);
	buf_done(&usage);
	fputs("There is no config/atc.yml here either.  Try: fly-atc help\n", stderr);
	return EXIT_USAGE;
}

int run_run(const struct options *o)
{
	struct config_source source = source_of(o, false);
	struct environment ours = {0};
	struct config *conf;
	int r;

	if (has_nothing_to_do(o))
		return explain_missing_command(o);
	conf = load(&source);
	if (!conf)
		return EXIT_USAGE;
	log_init("supervisor", conf->server.log_level);
	crash_watch(NULL, FLY_ATC_VERSION);
	environment_copy(&ours, environ); /* a reload and the tenants need it */
	source.environ = ours.items;
	environment_wipe(environ, &conf->secret_variables);
	r = supervisor_run(conf, &source);
	environment_done(&ours);
	log_flush(LOG_FLUSH_LIMIT);
	return r;
}

static size_t count_users(const struct config *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->ntenants; i++)
		n += i == 0 || !str_eq(conf->tenants[i].user, conf->tenants[i - 1].user);
	return n;
}

/* What the backup leaves out, as far as it is on this machine. */
static void tell_gaps(const struct config *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->ntenants; i++) {
		struct buf gap = {0};

		backup_find_gap(conf, &conf->tenants[i], &gap);
		if (buf_len(&gap) && n++ < GAPS_SHOWN)
			printf("not backed up of " STR_FMT ": " STR_FMT "\n",
				STR_ARG(conf->tenants[i].id), STR_ARG(buf_str(&gap)));
		buf_done(&gap);
	}
	if (n > GAPS_SHOWN)
		printf("and something of %zu other tenants\n", n - GAPS_SHOWN);
}

static void tell_what_is_there(const struct config *conf)
{
	const char *file = conf->file.n ? conf->file.p : "no file";

	if (conf->is_single)
		printf("ok: a single application (%s)", file);
	else
		printf("ok: %zu tenant%s of %zu user%s (%s)", conf->ntenants,
			conf->ntenants == 1 ? "" : "s", count_users(conf),
			count_users(conf) == 1 ? "" : "s", file);
	if (conf->backup.url.n)
		printf(", backup to " STR_FMT, STR_ARG(conf->backup.url));
	putchar('\n');
	tell_gaps(conf);
}

/* With the roster, or, where that cannot be read, with what is known of it. */
static struct config *load_all(const struct config_source *source)
{
	struct roster_desk desk;
	struct config *conf = NULL;

	if (roster_desk_open(&desk, source) == 0) {
		(void)roster_desk_read(&desk);
		conf = roster_desk_load(&desk, source);
	}
	roster_desk_close(&desk);
	return conf;
}

int run_check(const struct options *o)
{
	struct config_source source = source_of(o, true);
	struct config *conf = load_all(&source);
	struct buf notes = {0};
	int faults;

	if (!conf)
		return EXIT_USAGE;
	faults = backup_check(conf, &notes);
	platform_check(conf, &notes);
	print_buf(&notes, stderr);
	buf_done(&notes);
	if (!faults)
		tell_what_is_there(conf);
	config_unref(conf);
	return faults ? EXIT_USAGE : 0;
}

int run_dump(const struct options *o)
{
	struct config_source source = source_of(o, true);
	struct config *conf = load_all(&source);
	struct buf text = {0};

	if (!conf)
		return EXIT_USAGE;
	config_dump(conf, &text);
	print_buf(&text, stdout);
	buf_done(&text);
	config_unref(conf);
	return 0;
}
