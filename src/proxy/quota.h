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

/* One more for the client with this key (a hash), unless it has `max`.  False: it has. */
bool quota_enter(struct quota *q, uint64_t key, uint64_t max) MUST_USE;
/* After a quota_enter that was true. */
void quota_leave(struct quota *q, uint64_t key);
