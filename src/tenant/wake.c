/* wake.c - a tenant on its way up: woken, databases restored, migrations run, databases
 * registered. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/log.h"
#include "framework/migrations.h"
#include "tenant/tenant_int.h"

/* Migrations may take long, but a command that hangs must not keep its place forever. */
#define PREPARE_LIMIT (15 * 60 * 1000)

static uint64_t elapsed(const struct tenant_run *run)
{
	return (clock_usec() - run->phase_began) / 1000;
}

static void end_step(struct tenant *t, enum lifecycle_event event)
{
	tenant_event(t, t->run->is_cancelled ? EVENT_BROKEN : event);
}

/* --- the wish --- */

void tenants_wake(struct tenants *all, uint32_t slot)
{
	struct tenant *t = all->is_ending ? NULL : tenant_at(all, slot);

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (!t || t->is_removed || !tenant_is_here(t))
		return;
	if (t->life.state == TENANT_RUNNING)
		announce_state(t); /* the proxy missed that, or asked while we tried to stop it */
	else
		tenant_event(t, EVENT_WAKE);
}

/* --- restore --- */

static void on_databases_restored(void *arg, const struct backup_result *r)
{
	struct tenant *t = arg;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!run_came_back(t))
		return;
	t->wake.restore = elapsed(t->run);
	if (!r->is_ok)
		tenant_blame(t, "its databases cannot be restored: %s", r->reason);
	end_step(t, r->is_ok ? EVENT_RESTORED : EVENT_BROKEN);
}

void wake_restore(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	timer_cancel(&t->retry_timer);
	run_new(t);
	if (!tenant_uses_backup(t)) {
		tenant_event(t, EVENT_RESTORED);
		return;
	}
	t->run->backups++;
	backup_restore(t->all->backup, t->run->conf, on_databases_restored, t);
}

/* --- the hook before the start --- */

static void on_start_hook(struct tenant *t, const char *fault)
{
	if (fault && !t->run->is_cancelled)
		tenant_blame(t, "its start_hook (%s) %s",
			t->run->conf->app->start_hook.command.items[0].p, fault);
	end_step(t, fault ? EVENT_BROKEN : EVENT_PREPARED);
}

static void run_start_hook(struct tenant *t)
{
	const struct hook_conf *hook = &t->run->conf->app->start_hook;

	if (!hook->command.count || t->run->is_cancelled)
		end_step(t, EVENT_PREPARED);
	else if (!tenant_run_hook(t, hook, on_start_hook))
		end_step(t, EVENT_BROKEN);
}

/* --- the databases are registered, as they are once everything is prepared --- */

static void on_registered(void *arg, const struct backup_result *r)
{
	struct tenant *t = arg;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!run_came_back(t))
		return;
	t->wake.restore += elapsed(t->run);
	if (!r->is_ok)
		tenant_blame(t, "its databases cannot be replicated: %s", r->reason);
	if (r->is_ok)
		run_start_hook(t);
	else
		end_step(t, EVENT_BROKEN);
}

static void register_databases(struct tenant *t)
{
	struct tenant_run *run = t->run;

	t->wake.prepare = elapsed(run);
	run->is_unobserved = false;
	if (!tenant_uses_backup(t) || run->is_cancelled) {
		run_start_hook(t);
		return;
	}
	run->phase_began = clock_usec();
	run->backups++;
	backup_attach(t->all->backup, run->conf, on_registered, t);
}

/* --- prepare --- */

/* free() its databases. */
static struct migrations migrations_of(const struct tenant_conf *t)
{
	const struct app_conf *app = t->app;
	struct migrations m = {.root = app->root,
		.dir = t->dir,
		.environment = app->environment,
		.command = app->prepare.items,
		.nwords = app->prepare.count,
		.databases = xcalloc(app->ndatabases + 1, sizeof(*m.databases)),
		.ndatabases = app->ndatabases};

	for (size_t i = 0; i < m.ndatabases; i++)
		m.databases[i] = (struct migrations_database){
			app->databases[i].name, app->databases[i].path};
	return m;
}

static bool is_prepared(const struct tenant_conf *t, uint64_t known)
{
	struct migrations m = migrations_of(t);
	bool is_done = migrations_are_done(&m, known);

	free(m.databases);
	return is_done;
}

static uint64_t remember(const struct tenant_conf *t)
{
	struct migrations m = migrations_of(t);
	uint64_t fingerprint = migrations_remember(&m);

	free(m.databases);
	return fingerprint;
}

static void on_prepare_exit(void *arg, int status)
{
	struct tenant *t = arg;
	struct tenant_run *run = t->run;
	char how[64];

	MAGIC_CHECK(t, TENANT_MAGIC);
	run->process = NULL;
	run->helper.is_running = false;
	timer_cancel(&run->timer);
	t->wake.prepare = elapsed(run);
	if (status != 0 && !run->is_cancelled) {
		process_describe_exit(status, how, sizeof(how));
		tenant_blame(
			t, "its prepare command (%s) %s", run->conf->app->prepare.items[0].p, how);
	}
	if (status != 0 || run->is_cancelled) {
		end_step(t, EVENT_BROKEN);
		return;
	}
	backup_set_prepared(t->all->backup, run->conf, remember(run->conf));
	register_databases(t);
}

static void on_prepare_limit(struct timer *timer)
{
	struct tenant *t = container_of(timer, struct tenant_run, timer)->tenant;
	LOG_LEVEL_HERE(tenant_log_level(t));

	MAGIC_CHECK(t, TENANT_MAGIC);
	log_warn("tenant " STR_FMT ": its prepare command takes too long and is killed",
		STR_ARG(t->run->conf->id));
	process_signal(t->run->process, SIGKILL);
}

static void run_prepare(struct tenant *t)
{
	struct tenant_run *run = t->run;

	if (tenant_spawn(t, &run->conf->app->prepare, NULL, on_prepare_exit) < 0) {
		tenant_event(t, EVENT_BROKEN);
		return;
	}
	run->helper.is_running = true;
	run->is_unobserved = tenant_uses_backup(t);
	timer_set(&run->timer, t->all->loop, clock_now() + PREPARE_LIMIT, on_prepare_limit);
}

static void on_backup_released(void *arg, const struct backup_result *r)
{
	struct tenant *t = arg;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!run_came_back(t))
		return;
	if (!r->is_ok)
		tenant_blame(t, "its databases cannot be prepared: %s", r->reason);
	if (!r->is_ok || t->run->is_cancelled)
		end_step(t, EVENT_BROKEN);
	else
		run_prepare(t);
}

static bool needs_prepare(const struct tenant *t)
{
	const struct tenant_conf *conf = t->run->conf;

	return conf->app->prepare.count &&
	       !is_prepared(conf, backup_prepared(t->all->backup, conf));
}

/* Migrations have the databases to themselves: some take SQLite's exclusive lock, most do not wait
 * for one.  So the replicator has none of them now, and comes later. */
void wake_prepare(struct tenant *t)
{
	struct tenant_run *run = t->run;

	MAGIC_CHECK(t, TENANT_MAGIC);
	run->phase_began = clock_usec();
	if (!needs_prepare(t)) {
		register_databases(t);
	} else if (!tenant_uses_backup(t)) {
		run_prepare(t);
	} else {
		run->backups++;
		backup_release(t->all->backup, run->conf, on_backup_released, t);
	}
}

void wake_cancel(struct tenant *t)
{
	struct tenant_run *run = t->run;

	MAGIC_CHECK(t, TENANT_MAGIC);
	run->is_cancelled = true;
	timer_cancel(&run->timer);
	probe_free(run->probe);
	run->probe = NULL;
	elsewhere_end(run);
	if (run->helper.is_running)
		process_signal(run->process, SIGKILL);
}
