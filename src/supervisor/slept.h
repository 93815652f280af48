/* slept.h - notices that this machine has slept, whoever put it to sleep.
 *
 * After a suspend some clocks stand still, some jump, and which does what depends on the platform;
 * so nothing is believed of any one of them.  What is looked at, once a period, is whether two
 * clocks have gone on by different lengths, whether we ourselves were stopped, and, where the
 * machine has them, the host's clock (/dev/ptp0) and the kernel's word that it was forked from a
 * snapshot (/dev/kmsg). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

#define SLEPT_PERIOD	  1000 /* msec between two looks */
#define SLEPT_PERIOD_SOON 50   /* while a sleep is expected */

/* Moments in msec. */
struct clocks {
	int64_t monotonic, boottime, realtime;
};

enum slept_sign {
	SLEPT_NOT,
	SLEPT_STOPPED, /* we did not run for a while: all clocks went on */
	SLEPT_APART,   /* CLOCK_BOOTTIME counts sleep, CLOCK_MONOTONIC does not */
	SLEPT_STEPPED, /* the time of day was set forward, as after a sleep that no clock counted */
};

/* For tests: what two looks, with a pause of `period` between them, say; `soon`: a short stop is a
 * sign, too. *ret_length: how long it was. */
enum slept_sign clocks_compare(const struct clocks *before, const struct clocks *now, msec period,
	bool soon, msec *ret_length);

/* `how`: in words; `length`: as far as it is known.  `is_step`: it may as well be a clock that was
 * corrected. */
typedef void slept_fn(void *arg, const char *how, msec length, bool is_step);

struct slept {
	struct loop *loop;
	struct timer tick;
	struct clocks last;
	struct watch kmsg;
	int ptp_fd;
	msec ptp_ahead; /* of our time of day, as far as it is known */
	bool is_soon;
	slept_fn *fn;
	void *arg;
};

/* Where the kernel's messages and the host's clock are; NULL: nowhere. */
struct slept_sources {
	const char *kmsg, *ptp;
};

/* Begins to look. */
void slept_start(
	struct slept *d, struct loop *l, const struct slept_sources *from, slept_fn *fn, void *arg);
/* A sleep is expected, or no longer: looks more often. */
void slept_expect(struct slept *d, bool is_soon);
/* A zeroed one is fine. */
void slept_stop(struct slept *d);
