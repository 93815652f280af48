/* lifecycle.h - the life of a tenant as a table: state x event -> next state and effects.
 *
 * Pure: it does nothing by itself.  The caller of lifecycle_step carries out the effects, in the
 * order of effects.def. docs/lifecycle.md shows the table. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "life/state.h"

enum lifecycle_event {
#define EVENT(name, text, doc) EVENT_##name,
#include "life/events.def"
	LIFECYCLE_NEVENTS
};

enum lifecycle_effect {
#define EFFECT(name, text, doc) EFFECT_##name,
#include "life/effects.def"
	LIFECYCLE_NEFFECTS
};
#define EFFECT_BIT(name) (1u << EFFECT_##name)

enum lifecycle_kind {
	CELL_EMPTY,  /* forgotten; the tests do not allow that */
	CELL_GO,     /* to `next` with `effects` */
	CELL_IGNORE, /* may happen, and means nothing */
	CELL_NEVER,  /* cannot happen: a fault of ours, logged and ignored */
};

struct lifecycle_cell {
	enum lifecycle_kind kind;
	enum tenant_state next;
	uint32_t effects;   /* EFFECT_BIT(…) */
	bool is_remembered; /* the wish to run is kept for later */
	bool is_forgotten;  /* an earlier wish comes true or is dropped */
};

struct lifecycle {
	enum tenant_state state;
	bool is_wanted; /* woken while it could not be: it starts again once it rests */
};

/* Moves to the next state and returns the effects. */
uint32_t lifecycle_step(struct lifecycle *l, enum lifecycle_event event);
/* For tests: what the table says there. */
const struct lifecycle_cell *lifecycle_cell(enum tenant_state state, enum lifecycle_event event);
const char *lifecycle_event_name(enum lifecycle_event event);
/* For tests: as in lifecycle.def. */
const char *lifecycle_effect_name(enum lifecycle_effect effect);
