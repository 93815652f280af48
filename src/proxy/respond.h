/* respond.h - the way of an answer to the client: source → stages → framing.
 *
 * The source is the tenant (reply.c), or segments of memory and files (respond_segments). A stage
 * sees the head first, when it may drop fields, add lines, and put itself on the way of the body;
 * then every piece of payload, in order.  Where no stage has done so, the body takes the short way:
 * from the tenant's inbox to the client's socket without being looked at, or inside the kernel. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/stages.h"

/* Gives a final head to the client, through the stages, and makes x->down ready for the body.  *h
 * may be changed. */
void respond_begin(struct exchange *x, struct response_head *h);
/* Payload from the source is in the worker's payload: through the stages, framed, into the gather.
 * Only where there are stages.  0 or -errno. */
int respond_pass(struct exchange *x, enum passing how) MUST_USE;

/* The whole answer: takes the exchange away from its tenant; STEP_SEND, or what follows where a
 * file cannot be read (never of memory alone).  Content-Length is made here, from the segments;
 * their bytes are sent unless the request was HEAD or the status forbids it.  Takes what `unref`
 * gives back. */
enum step respond_segments(
	struct exchange *x, struct response_head *h, const struct source *take_source);
/* The whole answer has been sent: tells the client so, once. */
void respond_tell_end(struct exchange *x);
/* The exchange ends: lets go of the stages and the source. */
void respond_done(struct exchange *x);
/* How fields of its responses are rewritten; NULL: not at all. */
const struct rewrite *respond_rewrite(const struct exchange *x);
