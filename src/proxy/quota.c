/* quota.c - how many of what all share each client has at once. */
/* SPDX-License-Identifier: MIT */
#include "proxy/quota.h"

static _Atomic uint32_t *cell(struct quota *q, uint64_t key, int row)
{
	return &q->cells[row][(row ? key >> 32 : key) % QUOTA_CELLS];
}

bool quota_enter(struct quota *q, uint64_t key, uint64_t max)
{
	uint32_t a = atomic_fetch_add_explicit(cell(q, key, 0), 1, memory_order_relaxed);
	uint32_t b = atomic_fetch_add_explicit(cell(q, key, 1), 1, memory_order_relaxed);

	if (MIN(a, b) < max)
		return true;
	quota_leave(q, key);
	return false;
}

void quota_leave(struct quota *q, uint64_t key)
{
	atomic_fetch_sub_explicit(cell(q, key, 0), 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(cell(q, key, 1), 1, memory_order_relaxed);
}
