/* reason.h - which lines of a program's output say why it ended. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define REASON_LINES 6u

/* The line that looks like the head of an error (the last one; an exception before a mere "error:")
 * and what belongs to it, in their order.  How many of `ret`, indices into `lines`, were set: 0 if
 * no line looks like that. */
size_t reason_find(const str *lines, size_t n, size_t ret[REASON_LINES]) MUST_USE;
