/* guard.c - a token bucket. */
/* SPDX-License-Identifier: MIT */
#include "h2/guard.h"

#define TOKEN 1000u

bool h2_budget_take(struct h2_budget *b, msec now, unsigned burst, unsigned rate)
{
	uint64_t back = MIN((now - b->at) * rate, b->used);

	b->used -= back;
	b->at = now;
	if (b->used + TOKEN > (uint64_t)burst * TOKEN)
		return false;
	b->used += TOKEN;
	return true;
}
