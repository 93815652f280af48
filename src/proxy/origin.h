/* origin.h - where requests are sent to: one address, the connections to it that wait for the next
 * request, and the rules of the way.
 *
 * A tenant has one in each thread, which leads to its running copy; nothing here knows of tenants.
 * Belongs to its worker's thread. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "base/magic.h"
#include "net/socket.h"

struct worker;

/* How long what may take (msec).  Shared by all origins of a kind; it may change at any time. */
struct origin_limits {
	msec connect;  /* until a connection is taken, however often it is tried; 0: no limit */
	msec retry;    /* from a refused connection to the next try */
	msec response; /* until the first byte of an answer; 0: no limit */
	msec idle;     /* that a connection is kept unused, unless an answer says for how long */
	/* What waited no longer than this is hardly being closed by the other end at this moment: a
	 * request that must not be sent twice takes no other. */
	msec fresh;
};

enum { ORIGIN_MAGIC = MAGIC('o', 'r', 'i', 'g') };

struct origin {
	uint32_t magic;
	struct worker *worker;
	const struct origin_limits *limits; /* borrowed */
	struct endpoint at;		    /* for the next connection; the path is borrowed */
	struct list idle;		    /* struct upstream, the last used first */
	/* Its open connections, together with those of other threads: whoever stops what is at the
	 * address looks at it from outside. */
	_Atomic uint32_t *connections;
	uint32_t generation; /* of what is at the address: each has connections of its own */
	bool is_closed;	     /* no connection is kept any more */
};

void origin_init(struct origin *o, struct worker *w, const struct origin_limits *limits,
	_Atomic uint32_t *connections);
/* Those that wait. */
void origin_close_idle(struct origin *o);
/* Those too that are in use, when they have been. */
void origin_close(struct origin *o);
/* It is closed, and no connection is left. */
void origin_done(struct origin *o);

/* Something else may be at the address since the last time: what led to the former is closed. */
static inline void origin_follow(struct origin *o, uint32_t generation)
{
	if (o->generation == generation)
		return;
	origin_close_idle(o);
	o->generation = generation;
}
