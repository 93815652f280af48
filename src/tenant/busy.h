/* busy.h - keeps a tenant awake although no request is under way: at its own word, in its answers
 * (slot.busy_until), and at that of operators, by holds with a name.  All of it ends with the
 * run. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"
#include "tenant/holds.h"

struct tenant;

/* It is held for this long from now, which replaces an earlier hold of that name; 0 ends it.  With
 * an empty name 0 ends everything, including what the tenant says itself.  More than busy_max is
 * cut to that.  It runs; the caller sets its idle timer.  0; -EPERM: busy_max is 0; -EBUSY: too
 * many names. */
int busy_hold(struct tenant *t, str name, msec length) MUST_USE;
/* The last moment for which it is said to be at work; if that is in the future, it is at work now.
 * 0: never. The tenant has a run. */
msec busy_last(const struct tenant *t);
bool busy_is(const struct tenant *t);
