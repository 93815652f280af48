/* guard.h - limits for what costs us something and an HTTP/2 client nothing. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

/* Tokens that are refilled with time.  Zero is a full bucket. */
struct h2_budget {
	uint64_t used; /* in thousandths of a token; `rate` of them come back each msec */
	msec at;
};

/* Takes one of at most `burst` tokens, of which `rate` come back each second.  False: there is
 * none. */
bool h2_budget_take(struct h2_budget *b, msec now, unsigned burst, unsigned rate) MUST_USE;
