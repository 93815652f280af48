/* place.h - where a request is served: the pure decision for the machines of a fleet. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "route/marker.h"
#include "route/table.h"

/* Fly's edge replays bodies up to 1 MB; it is not documented whether that is 10^6 or 2^20. */
#define PLACE_MAX_REPLAY_BODY 1000000u
/* A request is replayed at most this often: the first machine asked may have an old configuration,
 * the second one may not. */
#define PLACE_MAX_HOPS 2u

enum place_verdict {
	PLACE_HERE,
	PLACE_REDIRECT,	     /* to the route's before + path */
	PLACE_REPLAY,	     /* answer with replay_answer */
	PLACE_PEER,	     /* to placement.machine, by our own way */
	PLACE_NOT_FOUND,     /* 404: no tenant's path; wakes nothing */
	PLACE_MISDIRECTED,   /* 421: another machine's, no edge in front that could replay, and no
				secret for a way of our own */
	PLACE_NO_MACHINE,    /* 503: for our own way, and no machine of its region is known (yet) */
	PLACE_REPLAY_FAILED, /* 503: the edge could not reach the other machine */
	PLACE_LOOP,	     /* 503: machines disagree about whose tenant it is */
	PLACE_TOO_LARGE,     /* 413: another machine's, the body is too large to be replayed, and
				there is no secret */
};

struct place_in {
	const struct config *conf;
	const struct route *route;
	str path;	   /* in normal form (`routed` of http/uri.h) */
	str sent;	   /* as the client sent it: what the edge knows */
	bool is_from_peer; /* another machine of ours has passed it on by PEER, and is believed */
	/* Fly's edge; without one, nobody is believed what follows. */
	bool has_edge;
	str replay_failed;	 /* fly-replay-failed, or empty */
	str replay_src;		 /* fly-replay-src, or empty */
	str cache_status;	 /* fly-replay-cache-status, or empty */
	bool is_body_size_known; /* no body, or a Content-Length */
	uint64_t body_size;
	uint64_t now; /* wall clock, in ms since 1970 */
};

/* What the edge is to remember of a replay. */
enum place_cache { PLACE_CACHE_NOTHING, PLACE_CACHE_STORE, PLACE_CACHE_INVALIDATE };

struct placement {
	enum place_verdict verdict;
	str machine, region;	/* for REPLAY: the one that is not empty; for PEER the machine; for
				   LOOP, REPLAY_FAILED and MISDIRECTED what is known of it */
	str app;		/* for REPLAY: another app, an appliance; else empty */
	unsigned hop;		/* for REPLAY: 1 for the first machine that sends it on */
	enum place_cache cache; /* for REPLAY */
	enum marker_verdict marker; /* of the replay that brought it; BAD if its user is another */
	struct marker from;	    /* if the marker is VALID, AHEAD or OLD */
};

struct placement place_decide(const struct place_in *in);

/* Why and after how many ms the edge has given up, from fly-replay-failed.  The reason is one of
 * the words that the platform knows, or empty. */
struct place_failure {
	str reason;
	uint64_t elapsed; /* 0: unknown */
};
struct place_failure place_failure_read(str replay_failed);

struct replay_in {
	const struct placement *placement;
	enum replay_form form;
	msec timeout;	 /* how long the edge tries before it comes back to us */
	msec cache_time; /* how long the edge remembers what it may */
	str alone;	 /* of the route */
	str hop_key;	 /* with it, `state` is the marker */
	struct marker marker;
	unsigned minor; /* the client's HTTP/1.x */
	bool is_head;	/* a HEAD request: always the header form, since there can be no body */
	bool keep_alive;
};

/* The whole answer: 307 with the destination, for Fly's edge alone. */
void replay_answer(struct buf *out, const struct replay_in *in);
