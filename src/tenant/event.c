/* event.c - events of a tenant become steps in the table, and the effects are done. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "tenant/tenant_int.h"

/* What a new state is announced with must be known before. */
#define BEFORE_PUBLISHING (EFFECT_BIT(FAIL) | EFFECT_BIT(CRASH))

static void do_effects(struct tenant *t, uint32_t todo)
{
	for (unsigned e = 0; e < LIFECYCLE_NEFFECTS; e++)
		if (todo & (1u << e))
			t->all->effects->of[e](t);
}

static void step(struct tenant *t, enum lifecycle_event event)
{
	enum tenant_state before = t->life.state;
	uint32_t todo = lifecycle_step(&t->life, event);

	if (log_is_on(LOG_DEBUG)) {
		const struct tenant_conf *conf = tenant_conf(t);

		log_debug("tenant " STR_FMT ": %s -- %s -> %s", STR_ARG(conf ? conf->id : STR("?")),
			tenant_state_name(before), lifecycle_event_name(event),
			tenant_state_name(t->life.state));
	}
	if (todo & EFFECT_BIT(FAIL))
		t->faults.failed_in = before;
	do_effects(t, todo & BEFORE_PUBLISHING);
	announce_soon(t);
	do_effects(t, todo & ~BEFORE_PUBLISHING);
	t->all->effects->after(t);
}

/* Effects bring about events; those wait until all effects of the step before are done. */
void tenant_event(struct tenant *t, enum lifecycle_event event)
{
	struct waiting_events *w = &t->events;

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
