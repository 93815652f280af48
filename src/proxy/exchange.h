/* exchange.h - one request and its answer, from the parsed head to the line in the log.
 *
 * The life of an exchange:
 *
 *   begin ── placed elsewhere, refused, redirected ──────────────> ANSWERING ──> end
 *     │                                        ┌──(waiting page)────^
 *     ├─ from memory or files ─> SENDING ──────────────────────────────────────^
 *     └─ ours ─> HELD (tenant asleep, or its port is closed) ─> RELAYING ──> end
 *                  │                                              └─> OPENING a file ─> SENDING
 *                  └─> WATCHING (events of a waiting page)        └─> RELAYING as a tunnel (101)
 *
 * The exchange owns its upstream connection and its place in the tenant's in_flight count.  It is
 * given back to the worker's free list when it ends; nothing outside points to it then. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "http/head.h"
#include "http/websocket.h"
#include "net/flow.h"
#include "net/splice.h"
#include "link/scoreboard.h"
#include "proxy/access_log.h"
#include "proxy/client.h"
#include "proxy/compressing.h"
#include "proxy/pace.h"
#include "proxy/pages.h"
#include "proxy/request_id.h"
#include "proxy/rewrite.h"
#include "proxy/source.h"

struct caching;
struct opening;
struct sendfile;
struct stage;
struct view;
struct worker;
struct tenant;
struct tenant_conf;
struct upstream;

enum exchange_state {
	EXCHANGE_ROUTED, /* on its way to one of the others, within one turn */
	EXCHANGE_HELD,
	EXCHANGE_JOINED, /* another exchange asks for the same already (caching.h) */
	EXCHANGE_RELAYING,
	EXCHANGE_OPENING, /* waits for the file that the tenant wants to be sent */
	EXCHANGE_SENDING,
	EXCHANGE_ANSWERING,
	EXCHANGE_WATCHING,
};

struct exchange {
	struct list link; /* of the tenant: held, watched or streams; of the worker: free */
	struct worker *worker;
	struct client *client;
	/* The configuration under which it began, and its tenant there; NULL once the head of an
	 * answer has been written: what may go on for days does not keep what has been replaced. */
	struct view *view;
	struct arena arena;
	enum exchange_state state;

	const struct tenant_conf *conf; /* NULL, too, when no tenant is meant */
	str path; /* the tenant's prefix and what the client wrote behind it; record.path has the
		     normal form of the same */
	struct tenant *tenant;
	struct upstream *upstream;
	struct buf request;	   /* head for the tenant; kept for one retry */
	struct caching *caching;   /* NULL: there is no cache */
	struct opening *opening;   /* in OPENING */
	struct sendfile *sendfile; /* what the tenant said with it */
	struct source source;	   /* of an answer that does not come from the tenant */
	struct stage *stages;	   /* on the way of its body; NULL: none */
	struct compressing compressing;
	enum body_kind framing; /* of the body, to the client */
	struct rewrite rewrite;
	struct flow up, down; /* the bodies: to the tenant, to the client */
	struct splice_pipe up_pipe, down_pipe;
	struct websocket_frames frames; /* of the tenant, as far as they have been relayed */
	enum method method;
	unsigned minor; /* of the client's HTTP/1: 0 or 1; 2 is HTTP/2 */
	enum wants wants;

	uint64_t quota_key; /* of the client among whose requests it is counted; 0: it is not */

	bool keep_alive;   /* the client's connection may be used again */
	bool is_counted;   /* in the tenant's in_flight */
	bool was_here;	   /* counted among the tenant's requests */
	bool is_tunnel;	   /* after 101 */
	bool is_websocket; /* a tunnel that is one */
	bool is_retried;
	bool is_sendfile_over; /* the tenant is asked again to send the file itself */
	bool awaits_continue;  /* the client sends its body only after a 100 */
	bool wants_upgrade;
	bool answer_began;  /* bytes of a final head went to the client */
	bool is_end_told;   /* to the client */
	bool can_reuse;	    /* the upstream connection, once the response has ended */
	bool wants_page;    /* a person looks: show that it is starting */
	bool is_by_referer; /* the URL does not say whose answer it is */
	bool is_logged;

	bool is_resized;   /* a stage changes the length of the body */
	bool is_unflushed; /* stages may hold something back */
	bool is_whole;	   /* all of the body has passed the stages */

	uint64_t sent;	     /* bytes of body behind the stages */
	uint64_t began;	     /* microseconds, as the next two */
	uint64_t held_since; /* 0: was not held */
	uint64_t upstream_began;
	msec page_at, retry_at; /* in HELD; MSEC_NEVER: not */
	msec held_until, connect_until;
	unsigned stops; /* of the tenant on its way up, while this was held */
	struct pace pace;
	bool client_took, client_gave; /* since the client's deadline was looked at */
	char id[REQUEST_ID_SIZE];
	struct access_record record; /* its strings live in the arena */
};

/* The head was parsed; the strs of *head point into the connection's inbox and are not valid after
 * this call. */
void exchange_begin(struct client *c, const struct request_head *head);
/* Answers a request that could not be parsed, or did not come in time, and ends the connection.
 * `fault` says what was wrong with it; NULL where nothing was. */
void exchange_refuse(struct client *c, unsigned status, const struct head_fault *fault);

/* What the connections tell. */
void exchange_client_event(struct exchange *x, unsigned events);
void exchange_client_timeout(struct exchange *x);
/* Others need what it holds, and its client is too slow for them. */
void exchange_end_slow(struct exchange *x);
void exchange_client_gone(struct exchange *x); /* the connection is being closed by itself */
void exchange_upstream_event(struct exchange *x, unsigned events);
void exchange_upstream_timeout(struct exchange *x);
/* Its client gave way to others (worker_go_on_later). */
void exchange_go_on(struct exchange *x);
/* What the supervisor tells: the tenant of a held or watching exchange changed. */
void exchange_tenant_changed(struct exchange *x, enum tenant_state state);
/* It is one of the tenant's streams, which is about to end: so does the stream, in order, and its
 * connection to the tenant. */
void exchange_dismiss(struct exchange *x);
/* The worker has another configuration: the tenant of a held or watching exchange may be gone. */
void exchange_view_changed(struct exchange *x);
/* fly-atc ends: a held or watching exchange will not see its tenant start any more. */
void exchange_give_up(struct exchange *x);
