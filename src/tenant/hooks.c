/* hooks.c - what the operator wants to be run before a tenant's application, and after it. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "tenant/tenant_int.h"

static void on_hook_limit(struct timer *timer)
{
	struct tenant *t = container_of(timer, struct tenant_run, timer)->tenant;

	MAGIC_CHECK(t, TENANT_MAGIC);
	t->run->helper.is_late = true;
	process_signal(t->run->process, SIGKILL);
}

static void on_hook_exit(void *arg, int status)
{
	struct tenant *t = arg;
	struct tenant_run *run = t->run;
	hook_fn *done = run->helper.done;
	char how[64];

	MAGIC_CHECK(t, TENANT_MAGIC);
	run->process = NULL;
	run->helper.is_running = false;
	timer_cancel(&run->timer);
	if (run->helper.is_late)
		snprintf(how, sizeof(how), "took too long and was killed");
	else
		process_describe_exit(status, how, sizeof(how));
	done(t, status == 0 ? NULL : how);
}

bool tenant_run_hook(struct tenant *t, const struct hook_conf *hook, hook_fn *done)
{
	struct tenant_run *run = t->run;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (tenant_spawn_hook(t, hook, on_hook_exit) < 0)
		return false;
	run->helper.done = done;
	run->helper.is_late = false;
	run->helper.is_running = true;
	if (hook->timeout)
		timer_set(&run->timer, t->all->loop, clock_now() + hook->timeout, on_hook_limit);
	return true;
}
