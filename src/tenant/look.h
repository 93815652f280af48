/* look.h - does a tenant keep its data where it is separate and backed up?
 *
 * Its open files are looked at when it is ready, soon after, and when its idle timer fires. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

struct tenant;

/* Of a run. */
struct looking {
	struct timer timer;		 /* the first look while it runs */
	uint64_t requests;		 /* until the last look */
	void (*after)(struct tenant *t); /* a look while it runs, which has found nothing */
};

/* The application answers: EVENT_READY or EVENT_REFUSED follows. */
void look_when_ready(struct tenant *t);
/* It runs: looks once more soon, since databases are opened late.  `after` is called after that
 * look and each later one that lets it go on; otherwise EVENT_REFUSED follows. */
void look_soon(struct tenant *t, void (*after)(struct tenant *t));
/* When its idle timer fires.  True if a look is under way. */
bool look_when_idle(struct tenant *t);
