/* heartbeat.h - whether the event loops of the proxy turn.
 *
 * They are asked only when there is a reason, so that a sleeping fly-atc spends nothing on it: a
 * connection waits to be accepted (the supervisor watches the listening sockets, once for each
 * question), a thread reports a request, or something else waits for the proxy.  Under load that is
 * at most five times a second. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "supervisor/listeners.h"
#include "loop/loop.h"

struct heartbeat_watch {
	struct watch watch;
	struct heartbeat *heartbeat;
};

struct heartbeat {
	struct loop *loop; /* NULL: there is no proxy */
	const struct listeners *listeners;
	struct heartbeat_watch *watches; /* of the listeners; closed while a question is open */
	struct timer timer; /* the next watch; while a question is open: the next tick */
	uint64_t asked;	    /* number of the last question */
	msec limit;	    /* for its answer; 0: no question is open */
	unsigned ticks;	    /* without an answer */
	bool is_asked;	    /* and not answered yet */
	bool has_reason;    /* to ask again after the pause */
	void (*ask)(void *arg, uint64_t number);
	void (*on_hung)(void *arg); /* no answer came within the limit */
	void *arg;
};

/* A new proxy, with connections as a reason to ask.  Borrows listeners. */
void heartbeat_start(struct heartbeat *h, struct loop *l, const struct listeners *listeners);
void heartbeat_stop(struct heartbeat *h);
/* Another limit. */
void heartbeat_limit(struct heartbeat *h, msec limit);
/* There is another reason to ask. */
void heartbeat_ask(struct heartbeat *h);
void heartbeat_answered(struct heartbeat *h, uint64_t number);
