/* run.c - what a tenant needs while it is awake. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <stdlib.h>
#include "tenant/tenant_int.h"

void run_new(struct tenant *t)
{
	struct tenant_run *run = xcalloc(1, sizeof(*run));

	MAGIC_BEGIN(run, TENANT_RUN_MAGIC);
	assert(!t->run);
	run->config = config_ref(t->all->conf);
	run->conf = tenant_conf(t);
	run->tenant = t;
	holds_init(&run->holds);
	run_port_init(&run->port);
	run->phase_began = clock_usec();
	t->wake = (struct control_wake){0};
	output_begin(&t->output);
	list_append(&t->all->awake, &t->in_awake);
	t->run = run;
}

static bool is_over(const struct tenant_run *run)
{
	return !run->process && !run->probe && !run->health.probe && !run->backups;
}

static void on_gone(void *arg)
{
	struct tenant_run *run = arg;

	MAGIC_END(run, TENANT_RUN_MAGIC);
	free(run);
}

void run_free(struct tenant *t)
{
	struct tenant_run *run = t->run;

	if (!run)
		return;
	assert(is_over(run));
	checkup_forget(run);
	holds_done(&run->holds);
	timer_cancel(&run->timer);
	timer_cancel(&run->looking.timer);
	run_port_release(&run->port);
	config_unref(run->config);
	list_remove(&t->in_awake);
	t->run = NULL;
	loop_defer(t->all->loop, on_gone, run);
}

bool run_came_back(struct tenant *t)
{
	struct tenant_run *run = t->run;
	tenant_fn *when_back = run->when_back;

	MAGIC_CHECK(t, TENANT_MAGIC);
	run->backups--;
	if (!when_back)
		return true;
	if (!run->backups) {
		run->when_back = NULL;
		when_back(t);
	}
	return false;
}
