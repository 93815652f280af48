/* fleet.h - where the other machines are: what the proxy is told when requests wait for one.
 *
 * A machine that is asked for is looked up afresh; whether its fly-atc answers there is tried, and
 * if not the target wakes it.  Only then the proxy hears of an address.  What failed a moment ago
 * is not tried again at once, however many requests come. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "base/str.h"
#include "supervisor/found.h"

struct supervisor;

struct fleet {
	struct list sought; /* struct sought: machines that were asked for */
	struct discovery found;
};

/* on_found: see found.h. */
void fleet_init(struct fleet *f, found_fn *on_found);
/* After target_stop. */
void fleet_done(struct fleet *f);

/* Requests wait for this machine, and at the address of this generation (0: none was told yet) it
 * was not reached.  The proxy is told, now or later, that it is there, or why it is not; it asks
 * again when that turns out to be wrong. */
void fleet_reach(struct supervisor *s, str machine, uint32_t generation);
