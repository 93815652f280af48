/* quota.h - how many of what all share each client has at once.
 *
 * Counted without a lock and in a fixed place, whoever comes: two rows of counters, in each of
 * which a client has one by its key, perhaps together with others; the smaller of its two counts it
 * (a count-min sketch, Cormode and Muthukrishnan, 2005).  Too high by a few it may be, too low
 * never. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/base.h"

#define QUOTA_CELLS 16384u

struct quota {
	_Atomic uint32_t cells[2][QUOTA_CELLS];
};

static inline _Atomic uint32_t *quota_cell(struct quota *q, uint64_t key, int row)
{
	return &q->cells[row][(row ? key >> 32 : key) % QUOTA_CELLS];
}

/* After a quota_enter that was true. */
static inline void quota_leave(struct quota *q, uint64_t key)
{
	atomic_fetch_sub_explicit(quota_cell(q, key, 0), 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(quota_cell(q, key, 1), 1, memory_order_relaxed);
}

/* One more for the client with this key (a hash), unless it has `max`.  False: it has. */
static inline MUST_USE bool quota_enter(struct quota *q, uint64_t key, uint64_t max)
{
	uint32_t a = atomic_fetch_add_explicit(quota_cell(q, key, 0), 1, memory_order_relaxed);
	uint32_t b = atomic_fetch_add_explicit(quota_cell(q, key, 1), 1, memory_order_relaxed);

	if (MIN(a, b) < max)
		return true;
	quota_leave(q, key);
	return false;
}
