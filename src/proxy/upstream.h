/* upstream.h - a connection to an origin, and its reuse: last in, first out, so that few are kept
 * warm. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/magic.h"
#include "loop/loop.h"
#include "net/inbox.h"
#include "net/outbox.h"
#include "proxy/origin.h"

struct exchange;
struct response_head;

enum { UPSTREAM_MAGIC = MAGIC('u', 'p', 's', 't') };

struct upstream {
	uint32_t magic;
	struct watch watch;
	struct timer timer;
	struct list link; /* on the origin's list of idle ones */
	struct worker *worker;
	struct origin *origin;
	struct exchange *exchange; /* NULL while idle */
	struct inbox in;
	struct outbox out;
	size_t scanned;	     /* of an incomplete head */
	size_t unsent;	     /* bytes in the socket when its deadline was set */
	uint32_t generation; /* generation of what it leads to */
	msec idle_since;
	msec idle_limit;    /* as the other end says; 0: it does not say */
	bool is_connecting; /* until it has taken the first byte */
	bool is_reused;	    /* carried another request before */
	bool is_deaf;	    /* it accepts no more; what it has sent may still be read */
	bool is_closed;
};

/* An idle connection, or NULL.  For a request that must not be sent twice, it is fresh and checked:
 * one known to be dead is not given. */
struct upstream *upstream_take(struct origin *o, bool may_repeat);
/* A new one, to origin.at; it may still be connecting.  0 or -errno. */
int upstream_connect(struct origin *o, struct upstream **ret) MUST_USE;
/* EVENT_UPSTREAM_TIME comes at that moment; MSEC_NEVER: not at all. */
void upstream_deadline(struct upstream *u, msec at);
/* From an answer's head: how long the other end keeps an unused connection. */
void upstream_learn(struct upstream *u, const struct response_head *h);
/* The response ended cleanly: keep it for the next request, unless its origin has moved on. */
void upstream_give_back(struct upstream *u);
/* Never used again.  The memory lives until the end of the turn. */
void upstream_close(struct upstream *u);
