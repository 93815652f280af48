/* ending.c - the last part of the end: everything that we started has ended. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "loop/work.h"
#include "supervisor/supervisor_int.h"

static void on_backup_stopped(void *arg, const struct backup_result *r)
{
	struct supervisor *s = arg;

	if (!r->is_ok)
		log_error("the end of the replicator: %s", r->reason);
	loop_stop(s->loop);
}

static void on_stop_hook(void *arg, const char *fault)
{
	struct supervisor *s = arg;

	(void)fault; /* which has been reported */
	backup_stop(s->backup, on_backup_stopped, s);
}

/* After a second signal to end, we do not wait for a file that cannot be read. */
static bool is_reading(const struct supervisor *s)
{
	return !s->ending.is_impatient && (work_pending(s->reloading.work) ||
						  (s->roster.work && work_pending(s->roster.work)));
}

/* The program that told us to end may go on as if all were saved, unless told otherwise. */
static void on_settled(void *arg, const struct backup_result *r)
{
	struct supervisor *s = arg;

	if (!r->is_ok) {
		log_error("ending though the last state of a tenant is on this disk only; the next "
			  "start goes on with it: %s",
			r->reason);
		if (!s->ending.status)
			s->ending.status = 1;
	}
	if (s->ending.is_impatient)
		on_stop_hook(s, NULL);
	else
		hook_run(s, "stop_hook", &s->conf->machine.stop_hook, on_stop_hook, s);
}

void ending_check(struct supervisor *s)
{
	if (!s->end.is_ending || !s->ending.is_proxy_gone || !tenants_are_at_rest(s->tenants) ||
		s->ending.is_stopping_backup || is_reading(s) ||
		!list_is_empty(&s->sleeping.hooks.running))
		return;
	s->ending.is_stopping_backup = true;
	backup_await(s->backup, NULL, on_settled, s);
	if (s->ending.is_impatient)
		backup_await_no_longer(s->backup);
}

static void on_soon(void *arg)
{
	ending_check(arg);
}

void ending_check_soon(struct supervisor *s)
{
	if (s->end.is_ending)
		loop_defer(s->loop, on_soon, s);
}
