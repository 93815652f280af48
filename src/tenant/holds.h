/* holds.h - somebody says, under a name and for a time, that something is at work. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "base/str.h"

/* Of one thing. */
#define HOLDS_MAX 32

struct holds {
	struct list all;
	msec ended; /* when the last of those that have ended did so; or 0 */
};

void holds_init(struct holds *h);
/* Held for this long from `now`, which replaces an earlier hold of that name; 0 ends it, and with
 * an empty name all of them.  0, or -EBUSY: there are too many names. */
int holds_set(struct holds *h, msec now, str name, msec length) MUST_USE;
/* The last moment for which there is, or was, a hold; 0: never. */
msec holds_last(const struct holds *h);
/* How many there are at this moment. */
size_t holds_count(const struct holds *h, msec now);
/* Forgets all. */
void holds_done(struct holds *h);
