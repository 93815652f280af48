/* relay_int.h - what the files of relaying share: relay.c (turns, deadlines, the end), relay_up.c
 * (towards the tenant), relay_down.c (towards the client). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange_int.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* One read and what follows from it, each way. */
enum step relay_up(struct exchange *x);
enum step relay_down(struct exchange *x);
/* The head of the request, with as much of the body as is here and safe to send. */
enum step relay_begin_up(struct exchange *x);
/* Sends the gather to the client. */
enum step relay_send_down(struct exchange *x);

/* The tenant's side broke.  What is safe to send again is sent again, once. */
enum step relay_upstream_failed(struct exchange *x, enum error error);
enum step relay_client_failed(struct exchange *x);
/* Sets the deadline of the tenant: connecting, taking what waits for it and beginning to answer
 * have limits; nothing after that has. */
void relay_expect_answer(struct exchange *x);
/* A large body whose bytes nobody here needs to see goes through a pipe. */
bool relay_is_spliced(
	struct exchange *x, struct flow *f, const struct inbox *in, struct splice_pipe *p);

/* Something waits until the tenant takes it. */
static inline bool relay_up_waits(const struct exchange *x)
{
	return !outbox_is_empty(&x->upstream->out) || x->up_pipe.held;
}
