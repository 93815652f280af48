/* upstream.h - connections to tenants, and their reuse: last in, first out, so that few are kept
 * warm. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"
#include "net/inbox.h"
#include "net/outbox.h"

struct worker;
struct tenant;
struct exchange;
struct response_head;

struct upstream {
	struct watch watch;
	struct timer timer;
	struct list link; /* of the tenant's idle ones */
	struct worker *worker;
	struct tenant *tenant;
	struct exchange *exchange; /* NULL while idle */
	struct inbox in;
	struct outbox out;
	size_t scanned;	     /* of an incomplete head */
	size_t unsent;	     /* in the socket when its deadline was set */
	uint32_t generation; /* of the copy that it leads to */
	msec idle_since;
	msec idle_limit;    /* as the application says; 0: it does not */
	bool is_connecting; /* until it has taken the first byte */
	bool is_reused;	    /* carried another request before */
	bool is_deaf;	    /* takes no more; what it said before may still be read */
	bool is_closed;
};

/* An idle connection to the running copy, or NULL.  With `not_before` (0: none) it was used after
 * that moment and is looked at: what is known to be dead is not given. */
struct upstream *upstream_take(struct worker *w, struct tenant *t, msec not_before);
/* A new one; it may still be connecting.  0 or -errno. */
int upstream_connect(struct worker *w, struct tenant *t, struct upstream **ret) MUST_USE;
/* exchange_upstream_timeout is called at that moment; MSEC_NEVER: no more. */
void upstream_deadline(struct upstream *u, msec at);
/* From an answer's head: how long the application keeps a connection that is not used. */
void upstream_learn(struct upstream *u, const struct response_head *h);
/* The response ended cleanly: keep it for the next request. */
void upstream_give_back(struct upstream *u);
/* Never used again.  The memory lives until the end of the turn. */
void upstream_close(struct upstream *u);
/* Closes the idle ones of a tenant. */
void upstream_close_idle(struct tenant *t);
