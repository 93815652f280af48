/* fleet.h - where the other machines are: what the proxy is told when requests wait for one. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct supervisor;

/* Requests wait for this machine, and at the address of this generation (0: none was told yet) it
 * was not reached.  The proxy is told, now or later, that it is there, or why it is not; it asks
 * again when that turns out to be wrong. */
void fleet_reach(struct supervisor *s, str machine, uint32_t generation);
