/* event.c - an event of a tenant becomes a step in the table, and its effects are carried out. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "base/probe.h"
#include "tenant/tenant_int.h"

/* What a new state is announced with must be known before that. */
#define BEFORE_PUBLISHING (EFFECT_BIT(FAIL) | EFFECT_BIT(CRASH))

static void do_effects(struct tenant *t, uint32_t todo)
{
	for (unsigned e = 0; e < LIFECYCLE_NEFFECTS; e++)
		if (todo & (1u << e))
			t->all->effects->of[e](t);
}

/* A copy's process, not that of the prepare command. */
static pid_t pid_of(const struct tenant *t)
{
	return t->run && t->run->process && !t->run->helper.is_running
		       ? process_pid(t->run->process)
		       : 0;
}

static void tell_change(const struct tenant *t, enum tenant_state before)
{
	const struct tenant_conf *conf = tenant_conf(t);
	/* One that runs has none: the failure before it is only being forgotten now. */
	const char *reason = state_serves(t->life.state) ? NULL : t->faults.reason;
	pid_t pid = pid_of(t);

	if (!conf || before == t->life.state)
		return;
	t->all->host->on_change(t->all->host_arg,
		&(struct control_change){.id = conf->id,
			.user = conf->user,
			.before = before,
			.state = t->life.state,
			.pid = pid,
			.generation = pid ? atomic_load(&tenant_slot(t)->generation) : 0,
			.reason = str_of(reason ? reason : "")});
}

static void tell_step(const struct tenant *t, enum tenant_state before, const char *event)
{
	const struct tenant_conf *conf = tenant_conf(t);
	str id = conf ? conf->id : STR("?");

	PROBE5(tenant_step, id.p, id.n, tenant_state_name(before), event,
		tenant_state_name(t->life.state));
	if (log_is_on(LOG_DEBUG))
		log_debug("tenant " STR_FMT ": %s -- %s -> %s", STR_ARG(id),
			tenant_state_name(before), event, tenant_state_name(t->life.state));
}

static void step(struct tenant *t, enum lifecycle_event event)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	enum tenant_state before = t->life.state;
	uint32_t todo = lifecycle_step(&t->life, event);

	tell_step(t, before, lifecycle_event_name(event));
	if (todo & EFFECT_BIT(FAIL))
		t->faults.failed_in = before;
	do_effects(t, todo & BEFORE_PUBLISHING);
	announce_soon(t);
	tell_change(t, before);
	do_effects(t, todo & ~BEFORE_PUBLISHING);
	t->all->effects->after(t);
}

/* Effects cause events; those wait until all effects of the step before are done. */
void tenant_event(struct tenant *t, enum lifecycle_event event)
{
	struct waiting_events *w = &t->events;

	MAGIC_CHECK(t, TENANT_MAGIC);
	assert(w->count < NITEMS(w->items));
	w->items[w->count++] = event;
	if (w->is_stepping)
		return;
	w->is_stepping = true;
	while (w->count) {
		enum lifecycle_event next = w->items[0];

		w->count--;
		memmove(w->items, w->items + 1, w->count * sizeof(w->items[0]));
		step(t, next);
	}
	w->is_stepping = false;
}
