/* held.h - a request waits for its tenant: limited in number and time, and a person who waits sees
 * why. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* The tenant sleeps (retry_at is MSEC_NEVER), or takes no connections yet, and is tried again at
 * that time.  STEP_HOLD, if there is room and waiting makes sense. */
enum step held_begin(struct exchange *x, msec retry_at);
void held_enter(struct exchange *x);
void held_leave(struct exchange *x);

/* How many requests of one tenant, or for one machine, may wait while those of others fill
 * max_held: however many want one that is slow to start, the others can still be woken. */
size_t held_share(const struct server_conf *server);

/* A tenant that failed is not tried again before its time. */
bool held_is_hopeless(const struct exchange *x);
/* Why it failed; empty when it did not. */
str held_reason(const struct exchange *x);
