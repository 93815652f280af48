/* idle.c - a tenant that nobody uses is stopped. */
/* SPDX-License-Identifier: MIT */
#include "tenant/tenant_int.h"

static void on_idle(struct timer *timer)
{
	struct tenant_run *run = container_of(timer, struct tenant_run, timer);

	MAGIC_CHECK(run, TENANT_RUN_MAGIC);
	if (!look_when_idle(run->tenant))
		idle_rearm(run->tenant);
}

bool idle_stop(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (t->life.state != TENANT_RUNNING || busy_is(t) ||
		!slot_try_drain(tenant_slot(t), loop_now(t->all->loop)))
		return false;
	tenant_event(t, EVENT_IDLE);
	return true;
}

/* Since when it has been neither used nor at work; may be in the future. */
static msec idle_since(const struct tenant *t)
{
	const struct slot *slot = tenant_slot(t);
	msec used = MAX(atomic_load(&slot->last_activity), atomic_load(&slot->since));
	msec busy = busy_last(t);

	return MAX(used, busy);
}

/* While a request is under way its end is unknown, but not before now: then one look a whole
 * idle_timeout later is early enough, and finds the exact moment.  The same holds for a busy
 * tenant, which may stop being busy at any time. */
void idle_rearm(struct tenant *t)
{
	const struct slot *slot = tenant_slot(t);
	msec idle = t->run->conf->app->idle_timeout, now = loop_now(t->all->loop), due;

	MAGIC_CHECK(t, TENANT_MAGIC);
	timer_cancel(&t->run->timer);
	if (!idle || t->all->conf->is_single)
		return;
	due = MIN(idle_since(t), now) + idle;
	if (atomic_load(&slot->in_flight)) {
		due = now + idle;
		t->all->host->ask_proxy(
			t->all->host_arg); /* a hanging request would be counted forever */
	} else if (due <= now && idle_stop(t)) {
		return;
	}
	timer_set(&t->run->timer, t->all->loop, due > now ? due : now + idle, on_idle);
}
