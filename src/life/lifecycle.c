/* lifecycle.c - includes lifecycle.def as an array, one cell for each state and event. */
/* SPDX-License-Identifier: MIT */
#include "life/lifecycle.h"

#include "base/log.h"

static const char *const event_names[] = {
#define EVENT(name, text, doc) text,
#include "life/events.def"
};
static const char *const effect_names[] = {
#define EFFECT(name, text, doc) text,
#include "life/effects.def"
};
static_assert(NITEMS(event_names) == LIFECYCLE_NEVENTS, "one text for each event");
static_assert(LIFECYCLE_NEFFECTS <= 32, "effects fit into a mask");

/* The short names that lifecycle.def uses. */
enum {
#define EFFECT(name, text, doc) name = EFFECT_BIT(name),
#include "life/effects.def"
};

static const struct lifecycle_cell table[TENANT_NSTATES][LIFECYCLE_NEVENTS] = {
#define CELL(s, e)	   [TENANT_##s][EVENT_##e]
#define GO(s, e, to, what) CELL(s, e) = {.kind = CELL_GO, .next = TENANT_##to, .effects = (what)},
#define REMEMBER(s, e, what)                                                                       \
	CELL(s, e) = {                                                                             \
		.kind = CELL_GO, .next = TENANT_##s, .effects = (what), .is_remembered = true},
#define FORGET(s, e, to, what)                                                                     \
	CELL(s, e) = {                                                                             \
		.kind = CELL_GO, .next = TENANT_##to, .effects = (what), .is_forgotten = true},
#define IGNORE(s, e) CELL(s, e) = {.kind = CELL_IGNORE, .next = TENANT_##s},
#define NEVER(s, e)  CELL(s, e) = {.kind = CELL_NEVER, .next = TENANT_##s},
#include "life/lifecycle.def"
};

const char *lifecycle_event_name(enum lifecycle_event event)
{
	return event_names[event];
}

const char *lifecycle_effect_name(enum lifecycle_effect effect)
{
	return effect_names[effect];
}

const struct lifecycle_cell *lifecycle_cell(enum tenant_state state, enum lifecycle_event event)
{
	return &table[state][event];
}

uint32_t lifecycle_step(struct lifecycle *l, enum lifecycle_event event)
{
	const struct lifecycle_cell *cell = lifecycle_cell(l->state, event);

	if (cell->kind == CELL_NEVER)
		log_error("a tenant that is %s cannot be told \"%s\": this is a fault of fly-atc",
			tenant_state_name(l->state), lifecycle_event_name(event));
	l->state = cell->next;
	l->is_wanted = (l->is_wanted || cell->is_remembered) && !cell->is_forgotten;
	return cell->effects;
}
