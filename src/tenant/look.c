/* look.c - checks where a tenant keeps its data: is it separate, and is it backed up? */
/* SPDX-License-Identifier: MIT */
#include "tenant/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "loop/work.h"
#include "base/alloc.h"
#include "base/log.h"
#include "tenant/strays.h"
#include "tenant/tenant_int.h"

#define SOON  500u    /* msec: the request that woke it has opened what it needs */
#define LATER 300000u /* for one that never sleeps */

#define FOR_STRANGERS                                                                              \
	"Its data are not where they would be kept; its operator finds the reason in "             \
	"`fly-atc status`."

/* In RUNNING and STARTING; counted in run->backups, so that the run waits for it. */
struct look {
	struct tenant *tenant;
	/* the thread's own until it ends */
	pid_t leader;
	struct own_folders own;
	char *stray;
};

/* --- what is wrong --- */

static void add_way_out(struct buf *out)
{
	buf_add(out, STR("; strict_databases: false lets it pass with a warning"));
}

static const struct database_conf *primary_of(const struct app_conf *app)
{
	for (size_t i = 0; i < app->ndatabases; i++)
		if (str_eq(app->databases[i].name, STR("primary")))
			return &app->databases[i];
	return app->ndatabases ? app->databases : NULL;
}

static void tell_stray(const struct tenant_conf *t, const char *path, struct buf *out)
{
	const struct database_conf *db = primary_of(t->app);

	buf_printf(out,
		"it has the database %s open, which is not in its own directory " STR_FMT
		": every tenant would use the same, and none is backed up; ",
		path, STR_ARG(t->dir));
	if (db)
		buf_printf(out,
			"say in which variable it looks for its file: `databases: {" STR_FMT
			": {env: NAME, url: \"{path}\"}}` (now " STR_FMT ")",
			STR_ARG(db->name), STR_ARG(db->env.n ? db->env : STR("none")));
	else
		buf_add(out, STR(CONFIG_NAME_ONE));
	buf_add(out, STR("; if it only reads that file, it should open it read-only (`mode=ro`)"));
	add_way_out(out);
}

static bool is_there(const struct tenant_conf *t, const struct database_conf *db)
{
	CLEAN_FREE char *path = config_database_path(t, db);
	struct stat st;

	return stat(path, &st) == 0;
}

static void tell_missing(
	const struct tenant_conf *t, const struct database_conf *db, struct buf *out)
{
	CLEAN_FREE char *path = config_database_path(t, db);

	buf_printf(out,
		"it is ready, but its database " STR_FMT
		" (%s) does not exist; if it reads another "
		"variable than " STR_FMT ", name that: `databases: {" STR_FMT
		": {env: NAME, url: \"{path}\"}}`; if it makes the file later: `{required: false}`; "
		"if it has none: `databases: {" STR_FMT ": null}`",
		STR_ARG(db->name), path, STR_ARG(db->env.n ? db->env : STR("none")),
		STR_ARG(db->name), STR_ARG(db->name));
	add_way_out(out);
}

static void tell_nothing(const struct config *conf, struct buf *out)
{
	buf_printf(out,
		"a backup to " STR_FMT
		" is configured, and it has no database that would be copied (files are not): %s",
		STR_ARG(conf->backup.url), CONFIG_NAME_ONE);
	add_way_out(out);
}

static const struct database_conf *find_missing(const struct tenant_conf *t)
{
	for (size_t i = 0; i < t->app->ndatabases; i++)
		if (t->app->databases[i].is_required && !is_there(t, &t->app->databases[i]))
			return &t->app->databases[i];
	return NULL;
}

/* Databases that may appear late count as well. */
static bool has_copied(const struct tenant_conf *t)
{
	for (size_t i = 0; i < t->app->ndatabases; i++)
		if (t->app->databases[i].has_backup &&
			(t->app->databases[i].is_required || is_there(t, &t->app->databases[i])))
			return true;
	return false;
}

/* Whether its databases are what the configuration says is checked once, when it is ready. */
static void judge_databases(const struct tenant *t, const char *stray, struct buf *out)
{
	const struct tenant_conf *conf = t->run->conf;
	const struct database_conf *missing =
		t->life.state == TENANT_STARTING ? find_missing(conf) : NULL;

	if (stray)
		tell_stray(conf, stray, out);
	else if (missing)
		tell_missing(conf, missing, out);
	else if (t->life.state == TENANT_STARTING && t->run->config->backup.url.n &&
		 !has_copied(conf))
		tell_nothing(t->run->config, out);
}

/* --- the look --- */

static void run_look(void *arg)
{
	struct look *look = arg;

	look->stray = stray_find(look->leader, &look->own);
}

static void warn(struct tenant *t, const struct buf *fault)
{
	LOG_LEVEL_HERE(tenant_log_level(t));

	CLEAN_FREE char *text = str_dup(buf_str(fault));

	if (!t->faults.warning || strcmp(t->faults.warning, text) != 0)
		log_warn("tenant " STR_FMT ": %s", STR_ARG(t->run->conf->id), text);
	tenant_warn(t, text);
}

/* True if it may go on. */
static bool passes(struct tenant *t, const char *stray)
{
	struct buf fault = {0};
	bool is_strict = t->run->conf->app->strict_databases, is_well;

	judge_databases(t, stray, &fault);
	is_well = !buf_len(&fault);
	if (is_well && t->life.state == TENANT_STARTING)
		tenant_warn(t, NULL);
	if (!is_well && is_strict)
		tenant_blame_privately(t, FOR_STRANGERS, STR_FMT, STR_ARG(buf_str(&fault)));
	else if (!is_well)
		warn(t, &fault);
	buf_done(&fault);
	return is_well || !is_strict;
}

static void go_on_after_look(struct tenant *t)
{
	if (t->life.state == TENANT_STARTING)
		tenant_event(t, EVENT_READY);
	else
		t->run->looking.after(t);
}

static void on_looked(void *arg)
{
	struct look *look = arg;
	struct tenant *t = look->tenant;
	CLEAN_FREE char *stray = look->stray;

	own_folders_done(&look->own);
	free(look);
	if (!run_came_back(t) ||
		(t->life.state != TENANT_STARTING && t->life.state != TENANT_RUNNING))
		return;
	if (passes(t, stray))
		go_on_after_look(t);
	else
		tenant_event(t, EVENT_REFUSED);
}

static void start_look(struct tenant *t)
{
	struct tenant_run *run = t->run;
	struct look *look = xcalloc(1, sizeof(*look));

	run->looking.requests = atomic_load(&tenant_slot(t)->requests);
	run->backups++;
	*look = (struct look){.tenant = t, .leader = process_pid(run->process)};
	own_folders_find(run->conf, &look->own);
	work_run(t->all->looking, run_look, on_looked, look);
}

/* A single application keeps its data where it likes; with a backup, that must be where the
 * configuration says. */
static bool is_looked_at(const struct tenant *t)
{
	return tenant_uses_backup(t) && t->run->process;
}

void look_when_ready(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (is_looked_at(t))
		start_look(t);
	else
		tenant_event(t, EVENT_READY);
}

static bool was_used(const struct tenant *t)
{
	return atomic_load(&tenant_slot(t)->requests) != t->run->looking.requests;
}

static void on_look_time(struct timer *timer)
{
	struct tenant_run *run = container_of(timer, struct tenant_run, looking.timer);
	struct tenant *t = run->tenant;

	MAGIC_CHECK(run, TENANT_RUN_MAGIC);
	if (t->life.state != TENANT_RUNNING)
		return;
	if (!run->conf->app->idle_timeout)
		timer_set(&run->looking.timer, t->all->loop, loop_now(t->all->loop) + LATER,
			on_look_time);
	if (was_used(t) && !run->backups)
		start_look(t);
}

void look_soon(struct tenant *t, void (*after)(struct tenant *t))
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	t->run->looking.after = after;
	if (is_looked_at(t))
		timer_set(&t->run->looking.timer, t->all->loop, loop_now(t->all->loop) + SOON,
			on_look_time);
}

bool look_when_idle(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (t->life.state != TENANT_RUNNING || !is_looked_at(t) || t->run->backups || !was_used(t))
		return false;
	start_look(t);
	return true;
}
