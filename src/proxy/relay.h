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

static inline bool relay_may_repeat(const struct exchange *x)
{
	return !x->reply.answer_began && x->trip.upstream->is_reused && !x->trip.is_retried &&
	       method_is_idempotent(x->wish.method) && x->trip.up.in != BODY_CHUNKED &&
	       x->trip.up.is_done && !x->trip.up.bytes;
}

/* The tenant's side broke.  What is safe to send again is sent again, once. */
static inline enum step relay_upstream_failed(struct exchange *x, enum error error)
{
	if (x->trip.upstream->is_connecting && !x->reply.answer_began) {
		x->trip.is_refused = true;
		return STEP_DIAL;
	}
	if (error != ERROR_UPSTREAM_CLOSED || !relay_may_repeat(x))
		return exchange_fail(x, error, STR_EMPTY);
	x->trip.is_retried = true;
	trip_end(x);
	return STEP_JOIN;
}

/* Sets the deadline of the tenant: connecting, taking what waits for it and beginning to answer
 * have limits; nothing after that has. */
static inline void relay_set_deadline(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;
	msec limit = u->origin->limits->response;

	if (relay_up_waits(x))
		u->unsent = socket_unsent(u->watch.fd);
	if (u->is_connecting)
		upstream_deadline(u, x->trip.connect_until);
	else if (!x->reply.answer_began)
		upstream_deadline(u, msec_limit(loop_now(x->worker->loop), limit));
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
