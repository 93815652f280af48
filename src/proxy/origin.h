/* origin.h - where requests are sent: one address, the idle connections to it, and its timeouts.
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

/* How long each thing may take (msec).  Shared by all origins of a kind; it may change at any
 * time. */
struct origin_limits {
	msec connect;  /* until a connection is taken, however often it is tried; 0: no limit */
	msec retry;    /* from a refused connection to the next try */
	msec response; /* until the first byte of an answer; 0: no limit */
	msec idle;     /* how long a connection is kept unused, unless an answer says otherwise */
	/* A connection that has been idle for no longer than this is unlikely to be closed by the
	 * other end just now: a request that must not be sent twice takes no other. */
	msec fresh;
};

enum { ORIGIN_MAGIC = MAGIC('o', 'r', 'i', 'g') };

struct origin {
	uint32_t magic;
	struct worker *worker;
	const struct origin_limits *limits; /* borrowed */
	struct endpoint at;		    /* for the next connection; the path is borrowed */
	struct list idle;		    /* struct upstream, the last used first */
	/* Its open connections, together with those of other threads: the supervisor looks at it
	 * before it stops what is at the address. */
	_Atomic uint32_t *connections;
	uint32_t
		generation; /* of what is at the address: each generation has its own connections */
	bool is_closed;	    /* no more connections are kept */
};

void origin_init(struct origin *o, struct worker *w, const struct origin_limits *limits,
	_Atomic uint32_t *connections);
/* Closes those that are idle. */
void origin_close_idle(struct origin *o);
/* Those in use as well, once they are done. */
void origin_close(struct origin *o);
/* It is closed, and no connection is left. */
void origin_done(struct origin *o);

/* Something else may be at the address since the last time: connections to the former are
 * closed. */
static inline void origin_follow(struct origin *o, uint32_t generation)
{
	if (o->generation == generation)
		return;
	origin_close_idle(o);
	o->generation = generation;
}
