/* busy.h - who says that a tenant is at work although no request is under way: itself, in its
 * answers (slot.busy_until), and operators, by holds with a name.  All of it ends with the run. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "base/str.h"

struct tenant;
struct tenant_run;

/* Of one tenant. */
#define BUSY_HOLDS_MAX 32

/* Of a run. */
struct busy {
	struct list holds; /* of operators who say that it is busy */
	msec ended;	   /* when the last of those that are over was; or 0 */
};

/* It is held for so long from now, in the place of what this name said before; 0 ends it.  With an
 * empty name 0 ends everything, what the tenant says itself included.  More than busy_max is cut to
 * it.  It runs; its idle timer is the caller's to set.  0; -EPERM: busy_max is 0; -EBUSY: too many
 * names. */
int busy_hold(struct tenant *t, str name, msec length) MUST_USE;
/* The last moment at which anybody said it to be at work: it is now if that lies ahead.  0: never.
 * The tenant has a run. */
msec busy_last(const struct tenant *t);
bool busy_is(const struct tenant *t);
/* The run ends. */
void busy_forget(struct tenant_run *run);
