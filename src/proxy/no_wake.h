/* no_wake.h - requests that wake no tenant: those for paths that robots try everywhere
 * (app.no_wake), unless the tenant has been seen to serve them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

struct exchange;

/* True if the tenant sleeps and is not woken for this path.
 *
 * Names that the tenant serves are excepted from the pattern "/.*": slot.hidden_names holds the
 * first path segments that begin with a dot and that it has answered well.  It is as if "!/.name"
 * and "!/.name/..." came right after "/.*" in the list, so what comes later still decides. */
bool no_wake_is_meant(const struct exchange *x);
/* The tenant has answered with this status. */
void no_wake_learn(const struct exchange *x, unsigned status);
