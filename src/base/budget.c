/* budget.c - a count for each thread, added to the total in steps. */
/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include <stdatomic.h>

/* Less than this is not worth a trim. */
#define EBB_MIN (8u << 20)

_Thread_local int64_t budget_pending;

static _Atomic int64_t used, highest;
static _Atomic size_t limit;

void budget_hand_over(void)
{
	int64_t now = atomic_fetch_add_explicit(&used, budget_pending, memory_order_relaxed) +
		      budget_pending;
	int64_t before = atomic_load_explicit(&highest, memory_order_relaxed);

	budget_pending = 0;
	while (now > before && !atomic_compare_exchange_weak(&highest, &before, now))
		;
}

void budget_limit(size_t most)
{
	atomic_store(&limit, most);
}

size_t budget_used(void)
{
	int64_t now = atomic_load_explicit(&used, memory_order_relaxed);

	return now > 0 ? (size_t)now : 0;
}

bool budget_is_over(void)
{
	size_t most = atomic_load_explicit(&limit, memory_order_relaxed);

	return most && budget_used() > most;
}

bool budget_has_ebbed(void)
{
	int64_t now = (int64_t)budget_used();
	int64_t before = atomic_load_explicit(&highest, memory_order_relaxed);

	return before - now > (int64_t)EBB_MIN && now < before / 2 &&
	       atomic_compare_exchange_strong(&highest, &before, now);
}
