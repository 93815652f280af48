/* outbox.h - bytes on their way out: sent at once if the socket takes them, otherwise kept until it
 * does.
 *
 * A gather collects the pieces of one write (pointers, nothing is copied); outbox_send writes them
 * in one system call.  Code that fills an outbox checks outbox_is_empty first: that is the
 * back-pressure. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/uio.h>

#include "base/buf.h"

#define GATHER_PIECES	 64
#define GATHER_NOTE_SIZE 24 /* the longest text that gather_note may be asked to hold */

struct gather {
	struct iovec pieces[GATHER_PIECES];
	int count;
	bool is_followed; /* more follows at once, sent by the kernel or as the end: this need not
			     go out alone */
	size_t bytes;
	char notes[GATHER_PIECES][GATHER_NOTE_SIZE]; /* small texts made on the way: chunk sizes */
};

static inline bool gather_has_room(const struct gather *g, int pieces)
{
	return g->count + pieces <= GATHER_PIECES;
}

static inline void gather_forget(struct gather *g)
{
	g->count = 0;
	g->bytes = 0;
	g->is_followed = false;
}

/* Borrows until outbox_send.  There must be room. */
static inline void gather_add(struct gather *g, str s)
{
	if (!s.n)
		return;
	assert(g->count < GATHER_PIECES);
	g->pieces[g->count++] = (struct iovec){(void *)(uintptr_t)s.p, s.n};
	g->bytes += s.n;
}

/* Room for a text of at most GATHER_NOTE_SIZE bytes, to be given to gather_add next. */
static inline char *gather_note(struct gather *g)
{
	assert(g->count < GATHER_PIECES);
	return g->notes[g->count];
}

struct outbox {
	struct buf waiting;
	bool is_blocked; /* the socket had no room; cleared by outbox_unblock */
};

static inline bool outbox_is_empty(const struct outbox *o)
{
	return !buf_len(&o->waiting);
}

/* Sends the gathered pieces after what waits, keeps what the socket does not take, and empties the
 * gather. 0 or -errno (the connection is dead). */
int outbox_send(struct outbox *o, int fd, struct gather *g) MUST_USE;
/* Sends what waits.  0 or -errno. */
int outbox_flush(struct outbox *o, int fd) MUST_USE;
/* The event loop says that there is room again. */
static inline void outbox_unblock(struct outbox *o)
{
	o->is_blocked = false;
}
void outbox_done(struct outbox *o);
