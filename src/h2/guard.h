/* guard.h - how much of what costs us something and its sender nothing one HTTP/2 connection may
 * do. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

/* Tokens that come back with time.  Zero is a full one. */
struct h2_budget {
	uint64_t used; /* in thousandths of a token, of which `rate` come back each msec */
	msec at;
};

/* Takes one of at most `burst` tokens, of which `rate` come back each second.  False: there is
 * none. */
bool h2_budget_take(struct h2_budget *b, msec now, unsigned burst, unsigned rate) MUST_USE;
