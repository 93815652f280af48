/* connection.h - a client's connection: requests come in, one exchange at a time answers them in
 * order. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"
#include "net/inbox.h"
#include "net/outbox.h"
#include "net/socket.h"

struct worker;
struct exchange;

enum connection_phase {
	CONNECTION_IDLE,     /* between requests: nothing received yet */
	CONNECTION_HEAD,     /* a head is coming */
	CONNECTION_EXCHANGE, /* a request is being answered */
	CONNECTION_LINGER, /* everything was sent, what still comes is thrown away (RFC 9112 9.6) */
};

struct connection {
	struct watch watch;
	struct timer timer; /* one deadline: which one follows from the phase */
	struct list link;   /* of the worker: idle or active */
	struct list eager;  /* of the worker, while it has given way to others */
	struct worker *worker;
	struct exchange *exchange; /* in CONNECTION_EXCHANGE */
	struct inbox in;
	struct outbox out;
	struct address peer;
	size_t scanned; /* of an incomplete head, see head.h */
	msec linger_until;
	enum connection_phase phase;
	bool is_running; /* connection_run is on the stack */
	bool is_closed;
};

/* Takes the descriptor. */
void connection_open(struct worker *w, int fd, const struct address *peer);
/* Ends it at once; what was not sent is lost.  The memory lives until the end of the turn. */
void connection_close(struct connection *c);
/* What is closed next ends in a reset: the client must not take what it has for all. */
void connection_reset(struct connection *c);
/* Closes an idle connection; a request that has just come is answered first. */
void connection_drain(struct connection *c);
/* It gave way to others (worker_go_on_later). */
void connection_go_on(struct connection *c);
/* Reads requests and begins exchanges as long as there is something to do. */
void connection_run(struct connection *c);
/* The exchange has been answered whole (all bytes are in the outbox or beyond).  keep_alive:
 * another may follow. */
void connection_exchange_done(struct connection *c, bool keep_alive);
/* Sends the worker's gather to the client.  False: the connection is dead and has been closed. */
bool connection_send(struct connection *c) MUST_USE;
/* The deadline of the present phase; MSEC_NEVER for none. */
void connection_deadline(struct connection *c, msec at);
