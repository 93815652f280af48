/* state.c - the sets of states, made from states.def. */
/* SPDX-License-Identifier: MIT */
#include "life/state.h"

static const char *const names[] = {
#define STATE(name, text, ...) text,
#include "life/states.def"
};
static const char *const phases[] = {
#define STATE(name, text, phase, ...) phase,
#include "life/states.def"
};
static_assert(NITEMS(names) == TENANT_NSTATES, "one text for each state");

const char *tenant_state_name(enum tenant_state state)
{
	return state < TENANT_NSTATES ? names[state] : "unknown";
}

const char *tenant_state_phase(enum tenant_state state)
{
	return state < TENANT_NSTATES ? phases[state] : "unknown";
}
