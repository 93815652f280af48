/* marker.h - the hop marker: by which a machine of the fleet tells another that a request passed
 * it.
 *
 *     1.<kind>.<hop>:<origin>:<user>:<configuration>:<time>:<MAC>
 *
 * One word of letters, digits and . _ : / + = -, which Fly's `state` and a field of HTTP carry as
 * it is.  The MAC (HMAC-SHA256, in base64) is of all before it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

/* A marker of one kind is not valid as another: applications see those of replays. */
enum marker_kind {
	MARKER_REPLAY, /* `state` of a replay: counts hops */
	MARKER_PEER,   /* Fly-Atc-Hop of a request that we passed on ourselves */
	MARKER_CALL,   /* of a message of ours between machines; the user is what it is about */
};

#define MARKER_FIELD "Fly-Atc-Hop"
#define MARKER_CALLS "/.fly-atc/" /* paths of calls; nobody can be called so */
/* Older ones are not valid.  One from the future is: our clock may be behind after a resume. */
#define MARKER_MAX_AGE_MS (5u * 60 * 1000)
#define MARKER_KEY_SIZE	  32u

struct marker {
	enum marker_kind kind;
	unsigned hop;	/* how often the request was sent on: at least 1 */
	str origin;	/* the machine that wrote it */
	str user;	/* whose the request is; may be empty.  Of one that was read: see
			   marker_is_for */
	uint64_t fleet; /* config.fleet_version of the origin */
	uint64_t time;	/* its wall clock, in ms since 1970 */
};

/* VALID and AHEAD may be believed. */
enum marker_verdict {
	MARKER_NONE, /* there is none */
	MARKER_VALID,
	MARKER_AHEAD, /* valid, and more than a second from the future: our clock may be behind */
	MARKER_OLD,   /* genuine, but older than MARKER_MAX_AGE_MS */
	MARKER_BAD,   /* not ours, of another kind or key, or we have no key */
};

/* `hop_key` is that of the configuration, in hex.  With an empty one, or one of another length,
 * nothing is written; nor with a user or an origin that is no word. */
void marker_write(struct buf *out, str hop_key, const struct marker *m);
/* *ret (may be NULL) is untouched unless the marker is genuine (VALID, AHEAD, OLD); its
 * texts borrow from the marker's. */
enum marker_verdict marker_read(
	str text, str hop_key, enum marker_kind kind, uint64_t now, struct marker *ret) MUST_USE;
/* Whether a marker that was read is for a request of this user: one of another user's is worth
 * nothing. */
bool marker_is_for(const struct marker *m, str user) MUST_USE;
