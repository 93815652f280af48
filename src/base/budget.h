/* budget.h - memory whose amount clients and tenants determine: one count for the process, one
 * limit.
 *
 * Code that holds such memory reports it; it is never refused.  Code that can end something checks
 * budget_is_over and ends it (proxy/shortage.h).  Each thread adds up what it takes and gives back,
 * and reports that in steps: the count is right to within BUDGET_STEP for each thread, and counting
 * costs no more than an addition. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

#define BUDGET_STEP (64u * 1024)

extern _Thread_local int64_t budget_pending;
void budget_hand_over(void);

/* It has become larger or smaller. */
static inline void budget_resize(size_t before, size_t after)
{
	budget_pending += (int64_t)after - (int64_t)before;
	if (!likely(budget_pending <= (int64_t)BUDGET_STEP &&
		    budget_pending >= -(int64_t)BUDGET_STEP))
		budget_hand_over();
}

static inline void budget_take(size_t n)
{
	budget_resize(0, n);
}

static inline void budget_give(size_t n)
{
	budget_resize(n, 0);
}

/* From any thread.  0: no limit, which is how it starts. */
void budget_limit(size_t most);
/* For tests: what is taken by all threads. */
size_t budget_used(void);
bool budget_is_over(void);
/* True once after much was taken and most of it given back: what the allocator keeps can go back to
 * the system (malloc_trim). */
bool budget_has_ebbed(void);
