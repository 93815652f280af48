/* h2_connection.h - a client's connection that speaks HTTP/2: its socket, its frames, its streams,
 * each of which is the client of an exchange.
 *
 * What exchanges answer within one turn of the loop leaves in one write at the turn's end.  Nothing
 * is read while the socket accepts nothing, so a client that does not read limits itself: only what
 * it may have under way can pile up. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/magic.h"
#include "h2/session.h"
#include "proxy/client.h"
#include "loop/loop.h"

struct connection;

/* What must come, or the connection ends. */
enum h2_owes {
	H2_FREE,      /* nothing: exchanges have their own limits */
	H2_TAKES,     /* the client takes what waits for it (write_timeout) */
	H2_ENDS_HEAD, /* the rest of a block of fields (header_timeout) */
	H2_BEGINS,    /* another request (keepalive_timeout) */
};

enum { H2_CONNECTION_MAGIC = MAGIC('h', '2', 'c', 'o') };

struct h2_connection {
	uint32_t magic;
	struct h2_session session;
	struct connection *connection;
	struct list finishing; /* clients whose exchange has ended in this turn */
	size_t nclients;
	size_t held;   /* for its streams, as counted in the total of all connections */
	size_t unsent; /* bytes in the socket when the deadline for taking some was set */
	enum h2_owes owes;
	bool is_running;  /* h2_run is on the stack */
	bool is_dirty;	  /* and will be, at the end of the turn */
	bool is_draining; /* GOAWAY was sent */
	bool moved;	  /* the socket took some since the deadline was looked at */
	bool began;	  /* a request has come since then */
};

enum { H2_CLIENT_MAGIC = MAGIC('h', '2', 'c', 'l') };

/* A stream of it. */
struct h2_client {
	uint32_t magic;
	struct client client;
	struct h2_stream stream;
	struct h2_connection *h2;
	struct list finishing; /* of the connection */
	struct timer timer;    /* its exchange's; later that of the rest of the answer */
	size_t unsent;	       /* when that was set */
	size_t counted;	       /* in the budget: the stream, and its head */
	msec over_since;       /* since when it has had no exchange, while it has none */
	char *request; /* the id of the request whose answer still waits, for the log; or NULL */
	msec linger_until; /* 0: its request has ended, or its answer has not */
};

/* The connection's inbox begins with the preface. */
void h2_connection_open(struct connection *c);
/* The connection ends, and with it what is under way. */
void h2_connection_close(struct h2_connection *h2);
/* For its timer, or the worker. */
void h2_connection_on_time(struct h2_connection *h2);
void h2_connection_go_on(struct h2_connection *h2);
/* No more requests are taken; it ends when those under way have. */
void h2_connection_drain(struct h2_connection *h2);
/* Much is held for the clients of this connection, or of all: no more than necessary is added. */
bool h2_connection_is_short(const struct h2_connection *h2);
/* Something is to be sent before this turn ends. */
void h2_connection_touch(struct h2_connection *h2);

/* h2_client.c */
struct h2_stream *h2_client_open(struct h2_session *s);
/* Events of its stream; it may be gone afterwards. */
void h2_client_events(struct h2_client *hc, unsigned events);
/* Its exchange has ended; the rest of the answer, and then of the request, have limits of their
 * own. */
void h2_client_finish(struct h2_client *hc);
/* The connection ends. */
void h2_client_close(struct h2_client *hc);
