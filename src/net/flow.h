/* flow.h - the body of a message on its way through: one framing comes in, another (or the same)
 * goes out.
 *
 * Nothing is copied: payload is passed on by pointers into the bytes received.  The outgoing chunk
 * sizes are ours, so that what we forward is unambiguous whatever came in (RFC 9112 7.1). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/chunked.h"
#include "http/head.h"
#include "net/outbox.h"

struct flow {
	enum body_kind in, out;
	uint64_t left; /* for BODY_LENGTH: payload that has not come yet */
	struct chunked chunked;
	uint64_t bytes; /* payload that has passed */
	bool is_done;	/* the end has been gathered */
};

/* `out` is BODY_CHUNKED, or anything else for payload as it is. */
void flow_init(struct flow *f, enum body_kind in, uint64_t length, enum body_kind out);
/* Most pieces that one call of flow_feed gathers if `out` is not BODY_CHUNKED. */
#define FLOW_RAW_PIECES	 (GATHER_PIECES - FLOW_DATA_PIECES - FLOW_END_PIECES + 1)
#define FLOW_DATA_PIECES 3 /* size, payload, CRLF */
#define FLOW_END_PIECES	 4 /* the last chunk, trailers, the empty line; one to spare */

/* Takes from the front of `bytes` and gathers what goes out.  OK: the body is complete.  MORE: all
 * of bytes was taken, or the gather is full (send it and call again while bytes are left).  BAD:
 * the framing is broken. */
enum parse flow_feed(struct flow *f, str bytes, size_t *ret_used, struct gather *g) MUST_USE;
/* The sender closed.  OK if this body ends that way; BAD if it was cut off. */
enum parse flow_end(struct flow *f, struct gather *g) MUST_USE;
/* Ends it here, properly, whatever else the sender would have sent. */
void flow_finish(struct flow *f, struct gather *g);
/* From here on payload passes without framing: the kernel may move it; then flow_skip. */
uint64_t flow_raw(const struct flow *f);
void flow_skip(struct flow *f, uint64_t n);
/* Field lines that came after the body; empty until it is done, and if there were none. */
str flow_trailers(const struct flow *f);
void flow_done(struct flow *f);
