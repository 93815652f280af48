/* action.c - start, stop, restart, busy: what operators ask of a tenant. */
/* SPDX-License-Identifier: MIT */
#include "tenant/tenant_int.h"
#include "tenant/waiters.h"

static void start_now(struct tenant *t, enum waiter_kind kind, control_done_fn *done, void *arg)
{
	t->tally.retry_at = 0; /* an operator knows what they want */
	if (t->life.state != TENANT_RUNNING)
		tenant_event(t, EVENT_WAKE);
	waiters_add(t, kind, done, arg);
}

void tenants_start(struct tenants *all, uint32_t slot, control_done_fn *done, void *arg)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	start_now(tenant_at(all, slot), WAIT_RUNNING, done, arg);
}

void tenants_stop(struct tenants *all, uint32_t slot, control_done_fn *done, void *arg)
{
	struct tenant *t = tenant_at(all, slot);

	MAGIC_CHECK(all, TENANTS_MAGIC);
	tenant_event(t, EVENT_STOP);
	waiters_add(t, WAIT_STOPPED, done, arg);
}

void tenants_restart(struct tenants *all, uint32_t slot, control_done_fn *done, void *arg)
{
	struct tenant *t = tenant_at(all, slot);

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (!t->run) {
		start_now(t, WAIT_RUNNING, done, arg);
		return;
	}
	tenant_event(t, EVENT_STOP);
	start_now(t, WAIT_RESTARTED, done, arg);
}

static int hold(struct tenant *t, str name, msec length)
{
	int r;

	if (t->life.state != TENANT_RUNNING)
		return length ? -ECANCELED : 0;
	r = busy_hold(t, name, length);
	idle_rearm(t);
	return r;
}

void tenants_hold(
	struct tenants *all, uint32_t slot, str name, msec length, control_done_fn *done, void *arg)
{
	int r = hold(tenant_at(all, slot), name, length);
	const char *why = "";

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (r == -ECANCELED)
		why = "it does not run; fly-atc start wakes it";
	else if (r == -EPERM)
		why = "busy_max is 0: it cannot be busy without requests";
	else if (r == -EBUSY)
		why = "too many others say so already";
	waiters_answer(all->loop, done, arg, r, why);
}

const char *tenants_restart_all(
	struct tenants *all, const struct control_roll *how, control_rolled_fn *each, void *arg)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	return roll_start(all, how, each, arg);
}
