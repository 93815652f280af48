/* detach.c - the last sync of a tenant's databases, and the end of their registration. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/log.h"
#include "tenant/tenant_int.h"

static void on_detached(void *arg, const struct backup_result *r)
{
	struct tenant *t = arg;
	LOG_LEVEL_HERE(tenant_log_level(t));

	MAGIC_CHECK(t, TENANT_MAGIC);
	t->run->backups--;
	if (!r->is_ok)
		log_error("tenant " STR_FMT ": its last state is not in the store yet: %s",
			STR_ARG(t->run->conf->id), r->reason);
	tenant_event(t, EVENT_DETACHED);
}

static void sync_last(struct tenant *t)
{
	t->run->backups++;
	backup_detach(t->all->backup, t->run->conf, on_detached, t);
}

static void on_late_files_attached(void *arg, const struct backup_result *r)
{
	struct tenant *t = arg;
	LOG_LEVEL_HERE(tenant_log_level(t));

	MAGIC_CHECK(t, TENANT_MAGIC);
	t->run->backups--;
	if (!r->is_ok)
		log_error("tenant " STR_FMT ": its changed databases cannot be replicated: %s",
			STR_ARG(t->run->conf->id), r->reason);
	sync_last(t);
}

static void detach_now(struct tenant *t)
{
	struct tenant_run *run = t->run;

	if (!tenant_uses_backup(t)) {
		tenant_event(t, EVENT_DETACHED);
		return;
	}
	if (run->is_unobserved ||
		(run->files.missing && new_files_missing(run->conf) < run->files.missing)) {
		run->is_unobserved = false;
		run->backups++;
		backup_attach(t->all->backup, run->conf, on_late_files_attached, t);
		return;
	}
	sync_last(t);
}

static void detach_when_back(struct tenant *t)
{
	if (t->run->backups)
		t->run->when_back = detach_now;
	else
		detach_now(t);
}

/* The application has ended, and cannot be helped any more. */
static void on_stop_hook(struct tenant *t, const char *fault)
{
	LOG_LEVEL_HERE(tenant_log_level(t));

	if (fault)
		log_error("tenant " STR_FMT ": its stop_hook (%s) %s", STR_ARG(t->run->conf->id),
			t->run->conf->app->stop_hook.command.items[0].p, fault);
	detach_when_back(t);
}

/* What it writes to the databases is replicated like what the application wrote. */
static bool run_stop_hook(struct tenant *t)
{
	const struct hook_conf *hook = &t->run->conf->app->stop_hook;
	char *before = t->faults.reason;
	bool is_due = t->run->helper.is_stop_due && hook->command.count && !t->all->is_impatient;
	LOG_LEVEL_HERE(tenant_log_level(t));

	t->run->helper.is_stop_due = false;
	if (!is_due)
		return false;
	t->faults.reason = NULL; /* it is no reason to call the tenant failed */
	if (tenant_run_hook(t, hook, on_stop_hook)) {
		t->faults.reason = before;
		return true;
	}
	log_error("tenant " STR_FMT ": its stop_hook: %s", STR_ARG(t->run->conf->id),
		t->faults.reason);
	free(t->faults.reason);
	t->faults.reason = before;
	return false;
}

void detach_databases(struct tenant *t)
{
	struct tenant_run *run = t->run;

	MAGIC_CHECK(t, TENANT_MAGIC);
	timer_cancel(&run->timer);
	new_files_free(run->files.watch);
	run->files.watch = NULL;
	if (!run_stop_hook(t))
		detach_when_back(t);
}
