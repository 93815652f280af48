/* why.h - the reason of a failure, in words for status, log and the waiting page. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define WHY_MAX 512u

struct why {
	char text[WHY_MAX];
};

/* Cut when it is too long, never inside a UTF-8 sequence; w may be NULL. */
void why_set(struct why *w, const char *fmt, ...) PRINTF(2, 3);
