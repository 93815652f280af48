/* pace.h - what a client owes while its request is under way, how long it may be silent meanwhile,
 * and how slow it may be.
 *
 * Silence is counted from the last byte: body_timeout, write_timeout.  A client that moves, but a
 * byte at a time, is measured over the same span, or five seconds if that is longer: min_body_rate
 * while we wait for a body and for nothing else, min_write_rate while something of ours waits for
 * the client.  So an event stream, a WebSocket or a long poll that has nothing to say may be silent
 * for as long as it likes. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

struct exchange;

/* What we wait for on the client's side, and what happens if it does not come. */
enum client_owes {
	CLIENT_FREE,	/* nothing */
	CLIENT_TAKES,	/* it takes what waits for it (write_timeout) */
	CLIENT_SENDS,	/* it sends more of its body (body_timeout) */
	CLIENT_IS_TOLD, /* nothing: it is told to send the body after all */
	CLIENT_ENDS,	/* it closes the other half of a tunnel (keepalive_timeout) */
	CLIENT_STAYS,	/* it closed its side, and may be gone (CLIENT_GONE_AFTER) */
};

/* Zero: it owes nothing. */
struct pace {
	enum client_owes owes;
	msec silent_at;	 /* when it has been silent for too long; MSEC_NEVER: no limit */
	msec span_ends;	 /* when the bytes since the last look are counted; or MSEC_NEVER */
	int64_t counted; /* what had moved when the span began */
	size_t unsent;	 /* bytes in the client's socket when silent_at was set */
};

/* It owes this, or went on with it: sets the client's deadline. */
void pace_await(struct exchange *x, enum client_owes owes);
/* The deadline has come.  False if it was only time to look: the client moves, and fast enough;
 * another deadline is set. */
bool pace_check(struct exchange *x) MUST_USE;
/* Bytes a second that have moved since the request came.  For a choice among clients. */
uint64_t pace_rate(const struct exchange *x);
