/* replace.h - awake tenants that are to be replaced by a new copy: because their configuration has
 * changed (reload.c), or their code (roll.c).
 *
 * It is done when nobody uses them, or when `replace_after` is over; as many at a time as may start
 * at once.  A tenant that is to be replaced goes on serving until then. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "loop/loop.h"

struct tenants;
struct tenant;

/* Why a run is to be replaced. */
struct mark {
	bool is_stale;	  /* its configuration changed */
	bool is_outdated; /* its code changed, as an operator says */
	bool is_hurried;  /* it does not wait until it is unused */
	msec at;	  /* since when it is marked; 0: it is not */
};

/* Of a tenant. */
struct replacement {
	bool is_under_way;     /* stopped to be replaced, and not running again yet */
	bool is_in_roll;       /* its end is awaited (roll.h) */
	bool has_told_waiting; /* it has been reported that it cannot be replaced yet */
};

/* Of all. */
struct replacing {
	struct timer timer; /* looks for those that are unused at the moment */
	msec pause;
	size_t under_way;		      /* stopped, and not yet running again */
	void (*on_waiting)(struct tenant *t); /* it cannot be replaced yet */
};

void replacing_init(struct replacing *r, void (*on_waiting)(struct tenant *t));
void replacing_done(struct replacing *r);
/* Its run is stale or outdated from now on: replaced soon.  Its first mark counts. */
void replace_mark(struct tenant *t);
/* It is no longer marked. */
void replace_unmark(struct tenant *t);
bool replace_is_marked(const struct tenant *t);
/* Looks at all of them in the next turn. */
void replace_soon(struct tenants *all);
/* After each step of a tenant; roll_check comes after it. */
void replace_check(struct tenant *t);
/* The tenant is being removed. */
void replace_forget(struct tenant *t);
/* The moment at which it is replaced even if it is in use; MSEC_NEVER. */
msec replace_due(const struct tenant *t);
/* "2 requests under way, 1 open tunnel", or what else it waits for. */
void replace_describe(const struct tenant *t, struct buf *out);
