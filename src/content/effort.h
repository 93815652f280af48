/* effort.h - how hard a thread should try to compress: less when it is short of CPU. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

enum effort { EFFORT_LOW, EFFORT_MIDDLE, EFFORT_HIGH };
#define NEFFORTS 3

/* Belongs to the thread that made it. */
struct effort_meter {
	int fd; /* this thread's schedstat; -1 where there is none, which means EFFORT_MIDDLE */
	enum effort effort;
	msec looked_at;
	uint64_t wanted; /* nanoseconds until then in which it ran, or could have run */
};

void effort_init(struct effort_meter *m, msec now);
/* For tests: threads keep theirs to their end. */
void effort_done(struct effort_meter *m);
/* Looks at most ten times a second, and moves at most one step then. */
enum effort effort_now(struct effort_meter *m, msec now);

/* For tests: the step for a thread that wanted the CPU for this percentage of the time: running, or
 * waiting while others ran, so that a tenant that takes the whole machine counts as well.  Between
 * the bounds for going up and down it stays. */
enum effort effort_step(enum effort effort, unsigned percent);
