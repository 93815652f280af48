/* replace.h - awake tenants that are to be replaced by a new copy: because their configuration has
 * changed (reload.c), or their code (roll.c).
 *
 * It is done when nobody uses them, or when `replace_after` is over; as many at a time as may start
 * at once.  Who is to be replaced goes on serving until then. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "loop/loop.h"

struct supervisor;
struct tenant;

struct replacing {
	struct timer timer; /* looks for those that nobody uses at the moment */
	msec pause;
	size_t under_way; /* stopped, and not yet running again */
};

/* Its run is stale or outdated from now on: replaced soon.  Its first mark counts. */
void replace_mark(struct tenant *t);
/* It is neither any more. */
void replace_unmark(struct tenant *t);
bool replace_is_marked(const struct tenant *t);
/* Looks at all of them in the next turn. */
void replace_soon(struct supervisor *s);
/* After each step of a tenant. */
void replace_check(struct tenant *t);
/* The tenant goes away. */
void replace_forget(struct tenant *t);
/* The moment at which it is replaced though it is in use; MSEC_NEVER. */
msec replace_due(const struct tenant *t);
/* "2 requests under way, 1 open tunnel", or what else it waits for. */
void replace_describe(const struct tenant *t, struct buf *out);
