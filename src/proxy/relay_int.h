/* relay_int.h - what the files of relaying share: relay.c (turns, deadlines, the end), relay_up.c
 * (towards the tenant), relay_down.c (towards the client), relay_side.c (for both). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange_int.h"
#include "proxy/relay.h"

/* One read and what follows from it, each way. */
enum step relay_up(struct exchange *x);
enum step relay_down(struct exchange *x);
/* The head of the request, with as much of the body as is here and safe to send. */
enum step relay_begin_up(struct exchange *x);
/* Sends the gather to the client. */
enum step relay_send_down(struct exchange *x);

/* The tenant's side broke.  What is safe to send again is sent again, once. */
enum step relay_upstream_failed(struct exchange *x, enum error error);
/* Sets the deadline of the tenant: connecting, taking what waits for it and beginning to answer
 * have limits; nothing after that has. */
void relay_expect_answer(struct exchange *x);
/* True if the body goes through a pipe: a large one whose bytes nobody here needs to see.  Takes
 * one for it. */
bool relay_use_pipe(
	struct exchange *x, struct flow *f, const struct inbox *in, struct splice_pipe *p);
