/* serve.c - a tenant that has become ready. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/log.h"
#include "base/probe.h"
#include "tenant/tenant_int.h"

static void log_wake(const struct tenant *t)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	struct buf *line = log_line_open(LOG_INFO, "tenant running");

	PROBE6(tenant_running, t->run->conf->id.p, t->run->conf->id.n, t->wake.restore,
		t->wake.prepare, t->wake.start, t->wake.ready);
	log_field_str(line, "tenant", t->run->conf->id);
	log_field_number(line, "pid", process_pid(t->run->process));
	log_field_number(line, "restore_ms", (int64_t)t->wake.restore);
	log_field_number(line, "prepare_ms", (int64_t)t->wake.prepare);
	log_field_number(line, "start_ms", (int64_t)t->wake.start);
	log_field_number(line, "ready_ms", (int64_t)t->wake.ready);
	log_line_close(line);
}

static void forget_failure(struct faults *f)
{
	free(f->reason);
	free(f->error);
	free(f->public_reason);
	f->reason = f->error = f->public_reason = NULL;
}

void serve_application(struct tenant *t)
{
	struct tenant_run *run = t->run;

	MAGIC_CHECK(t, TENANT_MAGIC);
	forget_failure(&t->faults);
	if (run->conf->app->listen == LISTEN_TCP)
		run_port_release(&run->port); /* the application has it now */
	log_wake(t);
	process_learn(run->process);
	idle_rearm(t);
	look_soon(t, idle_rearm);
	if (run->files.missing)
		new_files_watch(t);
}
