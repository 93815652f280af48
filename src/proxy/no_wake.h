/* no_wake.h - requests that wake no tenant: those for paths by which robots look for what is not
 * there (app.no_wake), unless the tenant has been seen to serve them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

struct exchange;

/* True if the tenant sleeps and is not woken for this path.
 *
 * Of the pattern "/.*" names are excepted that the tenant serves: by slot.hidden_names, where the
 * first segments are that begin with a dot and that it has answered well.  It is as if "!/.name"
 * and "!/.name/..." stood right behind "/.*" in the list: what comes later still decides. */
bool no_wake_is_meant(const struct exchange *x);
/* The tenant answers with this status. */
void no_wake_learn(const struct exchange *x, unsigned status);
