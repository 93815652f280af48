/* place.h - where a request is served: the pure decision for the machines of a fleet. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "route/table.h"

/* Fly's edge replays bodies up to 1 MB; it is not documented whether that is 10^6 or 2^20. */
#define PLACE_MAX_REPLAY_BODY 1000000u
/* A request is sent on at most this often: the first machine asked may have an old configuration,
 * the second one may not. */
#define PLACE_MAX_HOPS 2u

enum place_verdict {
	PLACE_HERE,
	PLACE_REDIRECT,	     /* to the route's before + path */
	PLACE_REPLAY,	     /* answer with replay_answer */
	PLACE_PEER,	     /* to placement.machine, by our own way */
	PLACE_NOT_FOUND,     /* 404: no tenant's path; wakes nothing */
	PLACE_MISDIRECTED,   /* 421: another machine's, and no edge in front that could replay */
	PLACE_REPLAY_FAILED, /* 503: the edge could not reach the other machine */
	PLACE_LOOP,	     /* 503: machines disagree about whose tenant it is */
	PLACE_TOO_LARGE,     /* 413: another machine's, and the body is too large to be replayed */
};

struct place_in {
	const struct route *route;
	bool has_fleet; /* else everything is here */
	str our_machine, our_region;
	bool has_edge;		 /* the request came through Fly's edge */
	bool is_replay_failed;	 /* it carries fly-replay-failed */
	str replay_src;		 /* value of fly-replay-src, or empty */
	bool is_body_size_known; /* no body, or a Content-Length */
	uint64_t body_size;
};

struct placement {
	enum place_verdict verdict;
	str machine, region; /* for REPLAY: the one that is not empty; machine wins */
	unsigned hop;	     /* for REPLAY: 1 for the first machine that sends it on */
};

struct placement place_decide(const struct place_in *in);

struct replay_in {
	struct placement placement;
	enum replay_form form;
	msec timeout;	/* how long the edge tries before it comes back to us */
	unsigned minor; /* the client's HTTP/1.x */
	bool is_head;	/* a HEAD request: always the header form, since there can be no body */
	bool keep_alive;
};

/* The whole answer: 307 with the destination, for Fly's edge alone. */
void replay_answer(struct buf *out, const struct replay_in *in);
