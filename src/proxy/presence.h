/* presence.h - which requests keep the machine awake, and what they find while it goes to sleep or
 * has just been resumed (link/activity.h). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* The request will be served by this machine, or sent on by it: it does not sleep before that is
 * over. Tells the supervisor where that changes something. */
void presence_begin(struct exchange *x);
/* Somebody who is believed has a clock that is so far (msec) ahead of ours: a sign that this
 * machine has slept. */
void presence_hear(struct exchange *x, msec ahead);
/* How far ours is behind theirs at least, as far as is known: after a sleep, for some seconds. */
msec presence_ahead(const struct exchange *x);
/* The exchange is over.  Whether that was a use of the machine says machine.busy. */
void presence_end(struct exchange *x);
/* It has to wait before it goes to a tenant: then GATE, which leads back to REST, or to PLACE if
 * the tenant lives elsewhere by then. */
bool presence_is_gated(const struct exchange *x);
enum step presence_wait(struct exchange *x);
