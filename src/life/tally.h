/* tally.h - how often a tenant has died recently, and when it may be tried again. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

#define TALLY_BACKOFF_FIRST 500	  /* msec; doubles with each failure in a row */
#define TALLY_BACKOFF_LAST  30000 /* msec */

/* Zero is a clean record. */
struct tally {
	msec *crashes; /* moments within the window, oldest first */
	size_t ncrashes;
	unsigned failures; /* in a row */
	msec retry_at;	   /* 0 if it may be tried at any time */
};

/* It ran and ended by itself.  True if it may start again at once: not more than `max` crashes
 * within `window`; without a window (0) always, unless `max` is 0. */
bool tally_crash(struct tally *t, msec now, size_t max, msec window) MUST_USE;
/* It could not start, or crashed too often: sets retry_at. */
void tally_fail(struct tally *t, msec now);
/* It ran and was stopped by us: the failures are forgotten, the crashes grow old by themselves. */
void tally_succeed(struct tally *t);
void tally_done(struct tally *t);
