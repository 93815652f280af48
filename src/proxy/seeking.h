/* seeking.h - requests for what nobody has here: they wait while the supervisor looks whether the
 * roster has it by now.
 *
 * Whoever was added somewhere else a moment ago is served by a machine that was not told.  A look
 * is one conditional read of the store, and there is one a second at most, whatever is asked for.
 * What a look has not found is not looked for again for as long.  Nobody waits longer than
 * SEEK_LIMIT, only so many wait at once (SEEK_MOST), and no tenant is woken. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"
#include "proxy/shared.h"

#define SEEK_LIMIT 2000u /* msec */

/* A look may change where the request belongs. */
bool seeking_may_help(const struct exchange *x);
/* Nobody has what is asked for here, or machines disagree who has: SEEK, or the error.  For a
 * request that comes back from there, too. */
enum step seeking_begin(struct exchange *x, enum error otherwise);

/* What came, in the exchange's arena: for a request that waits before it is known where it goes. */
struct arrival *seeking_keep(struct exchange *x) MUST_USE;

void seeking_enter(struct exchange *x);
void seeking_leave(struct exchange *x);
