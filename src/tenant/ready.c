/* ready.c - an application that was started becomes ready, or runs out of time. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "tenant/tenant_int.h"

/* A deadline that fires later than this: we ourselves did not run. */
#define PAUSE 1000

static void succeed(struct tenant *t)
{
	struct tenant_run *run = t->run;

	t->wake.ready = (clock_usec() - run->phase_began) / 1000;
	if (t->all->conf->is_single)
		tenant_warn(t, NULL);
	look_when_ready(t);
}

/* What the application made while it started is in the store before any request is served. */
static void on_files_attached(void *arg, const struct backup_result *r)
{
	struct tenant *t = arg;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!run_came_back(t) || t->life.state != TENANT_STARTING)
		return;
	if (r->is_ok) {
		succeed(t);
		return;
	}
	tenant_blame(t, "its new databases cannot be replicated: %s", r->reason);
	tenant_event(t, EVENT_OVERDUE);
}

/* What the tenant has put there may be a link to another place. */
static int give_socket(const char *path, const struct process_user *user)
{
	return file_give(FILE_GIVEN, path, S_IFSOCK, user->uid, user->gid);
}

/* The proxy runs as another user and must be able to connect. */
static void open_socket_to_proxy(struct tenant *t)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	char path[256];
	int r;

	if (t->run->conf->app->listen != LISTEN_UNIX || t->all->conf->is_single)
		return;
	tenant_socket_path(t, path, sizeof(path));
	r = give_socket(path, t->all->proxy);
	if (r < 0)
		log_warn("tenant " STR_FMT ": cannot give %s to the proxy: %s",
			STR_ARG(t->run->conf->id), path, strerror(-r));
}

static void is_answered(struct tenant *t, bool is_ipv6)
{
	struct tenant_run *run = t->run;

	elsewhere_end(run);
	atomic_store(&tenant_slot(t)->is_ipv6, is_ipv6);
	open_socket_to_proxy(t);
	if (run->files.missing && new_files_missing(run->conf) < run->files.missing) {
		run->backups++;
		backup_attach(t->all->backup, run->conf, on_files_attached, t);
		return;
	}
	succeed(t);
}

static void on_ready(void *arg, bool is_ipv6)
{
	struct tenant *t = arg;

	MAGIC_CHECK(t, TENANT_MAGIC);
	checkup_keep(t->run, &t->run->probe);
	is_answered(t, is_ipv6);
}

static void on_found(struct tenant *t, unsigned port, bool is_ipv6)
{
	probe_free(t->run->probe);
	t->run->probe = NULL;
	atomic_store(&tenant_slot(t)->port, port);
	is_answered(t, is_ipv6);
}

/* A single application may take as long as it likes; but its operator should know. */
static void tell_overdue(struct tenant *t, str where)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	char why[256] = "its databases are not in the store yet", limit[NUMBER_TEXT_MAX];
	CLEAN_FREE char *fault = NULL;

	if (t->run->probe)
		probe_describe(t->run->probe, why, sizeof(why));
	number_duration_text(t->run->conf->app->start_timeout, limit);
	fault = xasprintf("it (pid %d) was not ready within %s: %s" STR_FMT,
		t->run->process ? (int)process_pid(t->run->process) : 0, limit, why,
		STR_ARG(where));
	if (t->all->conf->is_single) {
		tenant_warn(t, fault);
		log_warn("the application: %s", fault);
		return;
	}
	tenant_blame(t, "%s", fault);
	tenant_event(t, EVENT_OVERDUE);
}

static void on_overdue(struct timer *timer)
{
	struct tenant *t = container_of(timer, struct tenant_run, timer)->tenant;
	const struct tenant_run *run = t->run;
	msec now = loop_now(t->all->loop);

	MAGIC_CHECK(t, TENANT_MAGIC);
	/* We were suspended ourselves: it may be ready without having been asked. */
	if (now > timer->at + PAUSE) {
		timer_set(timer, t->all->loop, now + PAUSE, on_overdue);
		return;
	}
	if (run->process && run->probe && !probe_has_status(run->probe))
		elsewhere_tell(t, tell_overdue);
	else
		tell_overdue(t, STR_EMPTY);
}

void ready_await(struct tenant *t)
{
	struct tenant_run *run = t->run;

	MAGIC_CHECK(t, TENANT_MAGIC);
	run->probe = checkup_begin(t, on_ready);
	elsewhere_begin(t, on_found);
	timer_set(&run->timer, t->all->loop, msec_limit(clock_now(), run->conf->app->start_timeout),
		on_overdue);
}
