/* state.h - the states of a tenant, and the properties of each. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

enum tenant_state {
#define STATE(name, text, phase, asleep, coming, serves, ending) TENANT_##name,
#include "life/states.def"
	TENANT_NSTATES
};
static_assert(TENANT_NSTATES < 32, "a set of states fits into a mask");

/* Sets of states. */
enum {
	STATES_ASLEEP = 0
#define STATE(name, text, phase, asleep, coming, serves, ending) | (asleep) << TENANT_##name
#include "life/states.def"
	,
	STATES_COMING = 0
#define STATE(name, text, phase, asleep, coming, serves, ending) | (coming) << TENANT_##name
#include "life/states.def"
	,
	STATES_SERVING = 0
#define STATE(name, text, phase, asleep, coming, serves, ending) | (serves) << TENANT_##name
#include "life/states.def"
	,
	STATES_ENDING = 0
#define STATE(name, text, phase, asleep, coming, serves, ending) | (ending) << TENANT_##name
#include "life/states.def"
};

/* Checks a number that another process may have written. */
static inline bool state_is_in(enum tenant_state state, uint32_t states)
{
	return state < TENANT_NSTATES && (states >> state & 1);
}

/* Nothing of it is under way, and nothing is asked of it. */
static inline bool state_is_asleep(enum tenant_state state)
{
	return state_is_in(state, STATES_ASLEEP);
}

/* Woken, and not running yet. */
static inline bool state_is_on_its_way(enum tenant_state state)
{
	return state_is_in(state, STATES_COMING);
}

/* Requests may be sent to it. */
static inline bool state_serves(enum tenant_state state)
{
	return state_is_in(state, STATES_SERVING);
}

/* On its way to sleep, or to another start. */
static inline bool state_is_ending(enum tenant_state state)
{
	return state_is_in(state, STATES_ENDING);
}

const char *tenant_state_name(enum tenant_state state);
const char *tenant_state_phase(enum tenant_state state); /* for people: "restoring the databases" */
