/* respond.h - the way of an answer to the client: source → stages → framing.
 *
 * The source is the tenant (relay_down.c), or segments of memory and files (respond_segments).
 * A stage sees the head first, when it may drop fields, add lines, and put itself on the way of the
 * body; then every piece of payload, in order.  Where no stage has put itself, the body takes the
 * short way: from the tenant's inbox to the client's socket without being looked at, or inside the
 * kernel. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/exchange.h"

enum passing {
	PASS_MORE,  /* more will follow soon */
	PASS_FLUSH, /* nothing more is here now: what a stage holds back must go out */
	PASS_END,   /* that was all */
};

struct stage;
struct stage_ops {
	/* Works on the pieces in the worker's payload: reads them, or puts others in their place,
	 * which must stay where they are until the next call.  There may be none.  PASS_END comes
	 * once, last.  0 or -errno: the answer is cut. */
	int (*pass)(struct stage *s, struct exchange *x, enum passing how);
	/* The exchange lets go of it, once.  is_whole: PASS_END has passed all stages. */
	void (*done)(struct stage *s, struct exchange *x, bool is_whole);
};
/* Embed it; it lives in the exchange's arena. */
struct stage {
	const struct stage_ops *ops;
	struct stage *next;
};

/* --- for stages, while the head is with them --- */

/* Puts itself on the way, behind those that are there.  is_resized: the length of what leaves it is
 * not known. */
void respond_stage(struct exchange *x, struct stage *s, bool is_resized);
/* The length is another one although no body goes this way: the head of an answer to HEAD. */
void respond_resized(struct exchange *x);
/* Adds a line behind the source's own; `name` has the colon and the blank. */
void respond_add(struct exchange *x, str name, str value);
/* Takes a field away, however often it is there. */
void respond_drop(struct response_head *h, enum header_id id);

/* --- for sources --- */

/* Gives a final head to the client, through the stages, and makes x->down ready for the body.  *h
 * may be changed. */
void respond_begin(struct exchange *x, struct response_head *h);
/* Payload from the source is in the worker's payload: through the stages, framed, into the gather.
 * Only where there are stages.  0 or -errno. */
int respond_pass(struct exchange *x, enum passing how) MUST_USE;

/* The whole answer: takes the exchange away from its tenant, and ends it.  Content-Length is made
 * here, from the segments; their bytes are sent unless the request was HEAD or the status forbids
 * it.  Takes what `release` gives back. */
void respond_segments(
	struct exchange *x, struct response_head *h, const struct source *take_source);
/* Sends as much as the client takes. */
void respond_run(struct exchange *x);
/* The exchange ends: stages and source are let go. */
void respond_done(struct exchange *x);
/* How fields of its responses are rewritten; NULL: not at all. */
const struct rewrite *respond_rewrite(const struct exchange *x);
