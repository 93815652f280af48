/* worker_peers.h - what a worker knows of the other machines: where each is, as the supervisor
 * says, its connections, and the requests that wait for it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/magic.h"
#include "link/channel.h"
#include "proxy/origin.h"

struct config;
struct exchange;
struct worker;

enum { PEER_MAGIC = MAGIC('p', 'e', 'e', 'r') };

/* Made when a request first wants the machine; the last exchange of one that is no longer in the
 * configuration frees it. */
struct worker_peer {
	uint32_t magic;
	char *name;
	size_t nexchanges; /* that point here */
	struct origin origin;
	_Atomic uint32_t connections; /* of the origin */
	bool is_told;		      /* the supervisor has said something, which is: */
	enum machine_state state;
	char *reason;	 /* in FAILED; or NULL */
	msec asked;	 /* when the supervisor was last asked, and has not answered since; or 0 */
	msec again;	 /* after a failure: no sooner is it tried again */
	msec pause;	 /* from one failure to the next try; grows */
	msec seen;	 /* when it was last there, as this thread knows; or 0 */
	msec sure_until; /* in THERE: that it still is */
	size_t nheld;
	struct list held;	  /* exchanges that wait for it */
	struct list streams;	  /* exchanges without an end of their own */
	struct timer streams_end; /* while this process ends */
};

/* For one more exchange, which gives it back by worker_leave_peer (NULL is fine). */
struct worker_peer *worker_peer(struct worker *w, str name);
void worker_leave_peer(struct worker_peer *p);
/* Asks the supervisor where it is, or to wake it; once, until there is an answer.  It was not
 * reached at the origin's generation. */
void worker_reach(struct worker_peer *p);
/* It was not reached at its address, or was there and is no more: sets when it is tried again. */
void worker_peer_failed(struct worker_peer *p, bool was_there);
/* It has answered. */
void worker_peer_answered(struct worker_peer *p);
/* It was at its address only a while ago. */
bool worker_peer_is_there(const struct worker_peer *p);
/* It has failed, and to wait makes no sense now. */
bool worker_peer_is_lost(const struct worker_peer *p);
/* The answer that comes from there has no end of its own. */
void worker_stream_to_peer(struct exchange *x);
/* From any thread: what the supervisor says of a machine (CHANNEL_MACHINE). */
void worker_post_machine(
	struct worker *w, enum machine_state state, uint32_t generation, str words);
/* It begins to end: those who wait give up, and streams end soon. */
void worker_drain_peers(struct worker *w);
/* The view is another than `before` (NULL: the first): limits, machines that have moved, and those
 * that are no longer needed. */
void worker_configure_peers(struct worker *w, const struct config *before);
