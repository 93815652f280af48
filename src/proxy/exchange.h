/* exchange.h - one request and its answer, from the parsed head to the line in the log.
 *
 * Its life is the table in exchange.def: at each moment it is at one step.  A step is a function
 * that does what can be done now, and returns the next one, or WAIT.  It calls no other step and
 * ends nothing.  exchange.c runs the steps, changes them, and ends the exchange.
 *
 *   ROUTE > PLACE > FILE > CACHE > REST > JOIN > TENANT > DIAL > RELAY > HEAD > RELAY > END
 *             |      |      |              |       |                      |
 *           WATCH  SEND   SEND           SEND    HOLD                   OPEN > SEND > ANSWER > END
 *             |
 *           PEER > RELAY > HEAD > RELAY > END
 *             |
 *           REACH
 *
 * Events set a bit and run it; never while one of the same thread runs: one exchange at a time has
 * the worker's scratch.
 *
 * The exchange owns its upstream connection and its place in the tenant's in_flight count.  When it
 * ends it goes back to the worker's free list; nothing outside points to it by then. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "base/magic.h"
#include "http/head.h"
#include "http/websocket.h"
#include "loop/loop.h"
#include "net/flow.h"
#include "net/splice.h"
#include "link/scoreboard.h"
#include "proxy/access_log.h"
#include "proxy/asked.h"
#include "proxy/client.h"
#include "proxy/compressing.h"
#include "proxy/pace.h"
#include "proxy/pages.h"
#include "proxy/request_id.h"
#include "proxy/rewrite.h"
#include "proxy/source.h"

struct arrival;
struct caching;
struct opening;
struct sendfile;
struct stage;
struct view;
struct worker;
struct worker_peer;
struct worker_tenant;
struct tenant_conf;
struct upstream;

enum step {
	GO,   /* inside a step: something moved, run it again */
	WAIT, /* for an event */
#define STEP(name, ...) STEP_##name,
#include "proxy/exchange.def"
	STEP_END,
	NSTEPS
};

/* What an exchange may wait for.  The bits only say where to look. */
enum event {
	EVENT_CLIENT = 1,      /* it may take or give more */
	EVENT_CLIENT_EOF = 2,  /* it has sent all */
	EVENT_CLIENT_HUP = 4,  /* it has gone */
	EVENT_CLIENT_TIME = 8, /* its deadline */
	EVENT_UPSTREAM = 16,   /* as for the client, of the tenant */
	EVENT_UPSTREAM_TIME = 32,
	EVENT_TURN = 64,      /* it gave way to others, and their turn is over */
	EVENT_STATE = 128,    /* the tenant's: see told */
	EVENT_VIEW = 256,     /* another configuration */
	EVENT_GIVE_UP = 512,  /* no more tenants are started */
	EVENT_DISMISS = 1024, /* the tenant is about to end, and its streams with it */
	EVENT_SLOW = 2048,    /* others need what it holds, and its client is too slow for that */
	EVENT_LANDED = 4096,  /* the other exchange has got what was joined, or failed */
	EVENT_OPENED = 8192,  /* the file is open, or cannot be opened */
	EVENT_LOOKED = 16384, /* there was a look at the roster */
};

/* What the client asked for, as settled when the request was routed. */
struct wish {
	struct arrival *arrival; /* the whole head, in the turn in which it came; then NULL */
	struct arrival *kept; /* a copy, once it was in SEEK: with the look that it waits for, and
				 how long */
	uint64_t sought;
	enum error otherwise; /* if the look does not help */
	msec seek_until;
	enum method method;
	unsigned minor; /* of the client's HTTP/1: 0 or 1; 2 is HTTP/2 */
	enum wants wants;
	/* The tenant that is meant, in x->view; NULL once that is, and when no tenant is meant. */
	const struct tenant_conf *conf;
	str path; /* the tenant's prefix and what the client wrote after it; record.path has the
		     normal form of the same */
	struct compressing compressing;
	uint64_t quota_key; /* of the client among whose requests it is counted; 0: not counted */
	bool wants_upgrade;
	bool wants_page;    /* a person is watching: show that the tenant is starting */
	bool is_by_referer; /* the URL does not say whose answer it is */
};

/* The way to the tenant. */
struct trip {
	struct worker_tenant *tenant; /* NULL before it is known, and where there is a peer */
	struct {
		struct worker_peer *is; /* the other machine to which it goes; or NULL */
		msec until;		/* of its answer, for which it is looked at more often */
		unsigned tries;		/* that it has not survived */
	} peer;
	struct upstream *upstream;
	struct buf request; /* head for the tenant; kept for one retry */
	struct asked asked; /* its fields */
	struct flow up;	    /* the body, to the tenant */
	struct splice_pipe up_pipe;
	enum tenant_state told;	 /* what the tenant was told with EVENT_STATE */
	uint64_t upstream_began; /* microseconds, as the next */
	uint64_t held_since;	 /* 0: was not held */
	msec page_at, retry_at;	 /* while in HOLD; MSEC_NEVER otherwise */
	msec held_until, connect_until;
	unsigned stops;	 /* starts of the tenant that were stopped while this was held */
	bool is_counted; /* in the tenant's in_flight */
	bool was_here;	 /* counted among the tenant's requests */
	bool is_refused; /* the tenant took no connection, or not this one */
	bool is_begun;	 /* the request is on its way to the tenant */
	bool is_retried;
	bool is_tunnel;	      /* after 101 */
	bool is_websocket;    /* a tunnel that is established */
	bool awaits_continue; /* the client sends its body only after a 100 */
	bool can_reuse;	      /* the upstream connection, once the response has ended */
};

/* The answer, wherever it comes from. */
struct reply {
	struct caching *caching;   /* NULL: there is no cache */
	struct opening *opening;   /* in OPEN */
	struct sendfile *sendfile; /* what the tenant said along with it */
	struct source source;	   /* for an answer that does not come from the tenant */
	struct stage *stages;	   /* through which its body passes; NULL: none */
	enum body_kind framing;	   /* of the body, to the client */
	struct rewrite rewrite;
	struct flow down; /* the body, to the client */
	struct splice_pipe down_pipe;
	struct websocket_frames frames; /* the tenant's, as far as they have been relayed */
	uint64_t sent;			/* bytes of body that have left the stages */
	struct pace pace;
	enum error failure; /* while in FAIL, with its reason */
	str reason;
	bool keep_alive;	       /* the client's connection may be used again */
	bool answer_began;	       /* bytes of a final head were sent to the client */
	bool is_head_new;	       /* they have been gathered, but not sent */
	bool is_end_told;	       /* to the client */
	bool is_resized;	       /* a stage changes the length of the body */
	bool is_unflushed;	       /* stages may hold something back */
	bool is_whole;		       /* the whole body has passed the stages */
	bool is_sendfile_over;	       /* the tenant is asked again to send the file itself */
	bool client_took, client_gave; /* since the client's deadline was last looked at */
};

enum { EXCHANGE_MAGIC = MAGIC('e', 'x', 'c', 'h') };

struct exchange {
	uint32_t magic;
	struct arena arena;
	struct worker *worker;
	struct client *client;
	struct list link;  /* of the tenant: held, watched or streams; of the worker: free */
	struct list woken; /* of the worker: while another one runs */
	/* The configuration under which it began; NULL once the head of an answer has been written,
	 * so that an answer that lasts for days does not keep a replaced configuration alive. */
	struct view *view;

	void (*run)(struct exchange *x); /* the driver */
	enum step step;
	unsigned events;   /* that came */
	unsigned happened; /* those of them for which the step runs now */
	bool is_cut;	   /* it is cut off, and its connection with it */
	bool is_present;   /* counted among what keeps the machine awake */

	struct wish wish;
	struct trip trip;
	struct reply reply;

	/* The record. */
	bool is_logged;
	uint64_t began; /* microseconds */
	char id[REQUEST_ID_SIZE];
	struct access_record record; /* its strings live in the arena */
};

/* The head was parsed; the strs of *head point into the connection's inbox and are not valid after
 * this call. */
void exchange_begin(struct client *c, const struct request_head *head);
/* Answers a request that could not be parsed, or was not complete in time, and ends the connection.
 * `fault` says what was wrong with it; NULL where nothing was. */
void exchange_refuse(struct client *c, unsigned status, const struct head_fault *fault);

/* An event: the exchange goes on at once, or when those that run now are done. */
static inline void exchange_wake(struct exchange *x, unsigned event)
{
	x->events |= event;
	x->run(x);
}
/* What its client's loop reports. */
static inline void exchange_client_event(struct exchange *x, unsigned events)
{
	exchange_wake(x, EVENT_CLIENT | (events & LOOP_EOF ? EVENT_CLIENT_EOF : 0) |
				 (events & LOOP_HUP ? EVENT_CLIENT_HUP : 0));
}
/* The connection is being closed by itself: the exchange ends. */
void exchange_client_gone(struct exchange *x);
/* For base/crash.h: the step of an exchange, and the id of its request. */
const char *exchange_describe(const void *exchange, str *ret_id);
