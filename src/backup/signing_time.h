/* signing_time.h - the time of day by which requests to the store are signed.
 *
 * A machine that has slept may believe for seconds that it is still the moment before, and a store
 * refuses what was signed more than a quarter of an hour ago.  Its refusal has its own time: from
 * then on that counts, until our clock agrees.  Any thread. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define SIGNING_TIME_TEXT sizeof("20251128T100000Z")

/* The store says that it is this time (msec since 1970). */
void signing_time_learn(uint64_t wall);
/* What to sign with; false: our own clock is right, as far as is known. */
bool signing_time_text(char ret[SIGNING_TIME_TEXT]) MUST_USE;
