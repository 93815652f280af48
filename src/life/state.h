/* state.h - the states of a tenant. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

enum tenant_state {
#define STATE(name, text, phase) TENANT_##name,
#include "life/states.def"
	TENANT_NSTATES
};
/* Woken, and not running yet. */
static inline bool state_is_on_its_way(enum tenant_state state)
{
	return state >= TENANT_QUEUED && state < TENANT_RUNNING;
}
const char *tenant_state_name(enum tenant_state state);
const char *tenant_state_phase(enum tenant_state state); /* for people: "restoring the databases" */
