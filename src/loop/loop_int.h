/* loop_int.h - what loop.c and timer.c share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

struct timer_heap {
	struct timer **items; /* 1-based, ordered by key */
	uint32_t count, cap;
	msec earliest; /* while timers fire: one set now fires in a later turn */
};

/* When the first timer is due; MSEC_NEVER without one. */
msec timer_heap_next(struct timer_heap *h);
/* Fires the timers that are due. */
void timer_heap_fire(struct timer_heap *h, msec now);
void timer_heap_done(struct timer_heap *h);
struct timer_heap *loop_timers(struct loop *l);
/* Of one that runs no other thread may touch more than loop_post. */
bool loop_is_own(const struct loop *l);
