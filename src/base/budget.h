/* budget.h - memory that is taken by what others drive: one count for the process, one limit.
 *
 * Who holds such memory says so; nobody is refused it.  Whoever can end something looks at
 * budget_is_over and ends it (proxy/shortage.h).  Each thread adds up what it takes and gives, and
 * hands that over in steps: the count is right to within BUDGET_STEP for each thread, and to count
 * costs no more than an addition. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

#define BUDGET_STEP (64u * 1024)

extern _Thread_local int64_t budget_pending;
void budget_hand_over(void);

/* It became larger or smaller. */
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

/* Any thread.  0: no limit, as at first. */
void budget_limit(size_t most);
/* For tests: what is taken by all threads. */
size_t budget_used(void);
bool budget_is_over(void);
/* True once after much was taken and most of it given: what the allocator keeps can go back to the
 * system (malloc_trim). */
bool budget_has_ebbed(void);
