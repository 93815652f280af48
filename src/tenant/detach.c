/* detach.c - the last sync of a tenant's databases, and the end of their registration. */
/* SPDX-License-Identifier: MIT */
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

void detach_databases(struct tenant *t)
{
	struct tenant_run *run = t->run;

	MAGIC_CHECK(t, TENANT_MAGIC);
	timer_cancel(&run->timer);
	new_files_free(run->files.watch);
	run->files.watch = NULL;
	if (run->backups)
		run->when_back = detach_now;
	else
		detach_now(t);
}
