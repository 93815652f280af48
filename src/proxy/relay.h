/* relay.h - what both directions of a relay have in common (relay.c: towards the tenant;
 * reply.c: towards the client): a connection to the tenant that broke or is waited for, and the
 * pipes for large bodies. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "net/socket.h"
#include "proxy/exchange_int.h"

/* From here on the kernel moves a body without showing it to us. */
#define RELAY_SPLICE_FROM 65536

/* Something waits for the tenant to take it. */
static inline bool relay_up_waits(const struct exchange *x)
{
	return !outbox_is_empty(&x->trip.upstream->out) || x->trip.up_pipe.held;
}

/* A machine that dies ends all its connections, and one that has just been accepted for it. */
#define RELAY_TRIES 2

static inline bool relay_may_repeat(const struct exchange *x)
{
	const struct trip *t = &x->trip;
	/* The request of one client cannot have ended a whole machine, as it may have ended an
	 * application. */
	bool is_left = (t->upstream->is_reused && !t->is_retried) ||
		       (t->peer.is && t->peer.tries < RELAY_TRIES);

	return is_left && !x->reply.answer_began && method_is_idempotent(x->wish.method) &&
	       t->up.in != BODY_CHUNKED && t->up.is_done && !t->up.bytes;
}

/* The tenant's side broke.  What is safe to send again is sent again: once, or to a machine when
 * that is there again. */
static inline enum step relay_upstream_failed(struct exchange *x, enum error error)
{
	enum step again = x->trip.peer.is ? STEP_PEER : STEP_DIAL;

	x->trip.is_refused = x->trip.upstream->is_connecting && !x->reply.answer_began;
	if (x->trip.is_refused)
		return again;
	if (error != ERROR_UPSTREAM_CLOSED || !relay_may_repeat(x))
		return exchange_fail(x, error, STR_EMPTY);
	if (!x->trip.upstream->is_reused || x->trip.is_retried) {
		x->trip.peer.tries++;
		x->trip.is_refused = true;
		return again;
	}
	x->trip.is_retried = true;
	trip_end(x);
	return x->trip.peer.is ? STEP_PEER : STEP_JOIN;
}

/* A machine that is suspended, or whose host is gone, says nothing: it is looked at this often
 * (msec). */
#define RELAY_LOOK 3000

/* Sets the deadline of the tenant: connecting, taking what waits for it and beginning to answer
 * have limits; nothing after that has. */
static inline void relay_set_deadline(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;
	msec now = loop_now(x->worker->loop), limit = u->origin->limits->response;
	msec at = x->reply.answer_began ? MSEC_NEVER : msec_limit(now, limit);

	if (relay_up_waits(x))
		u->unsent = socket_unsent(u->watch.fd);
	if (x->trip.peer.is && !u->is_connecting) {
		/* However much is sent, the next look does not move. */
		if (!x->trip.peer.until)
			upstream_deadline(u, now + RELAY_LOOK);
		x->trip.peer.until = at;
	} else if (u->is_connecting || !x->reply.answer_began) {
		upstream_deadline(u, u->is_connecting ? x->trip.connect_until : at);
	}
}

static inline bool relay_take_pipe(struct worker *w, struct splice_pipe *p)
{
	if (p->is_open)
		return true;
	if (w->pipes.nspare) {
		*p = w->pipes.spare[--w->pipes.nspare];
		return true;
	}
	return splice_open(p) == 0;
}

/* True if the body goes through a pipe: a large one whose bytes nobody here needs to see.  Takes
 * one for it. */
static inline bool relay_use_pipe(
	struct exchange *x, struct flow *f, const struct inbox *in, struct splice_pipe *p)
{
	if (x->client->fd < 0 || (f == &x->reply.down && x->reply.stages))
		return false;
	if (f->in != BODY_LENGTH || in->unread.n)
		return p->held != 0;
	return p->held || (flow_raw(f) >= RELAY_SPLICE_FROM && relay_take_pipe(x->worker, p));
}
