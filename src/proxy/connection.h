/* connection.h - a client's connection: requests come in, one exchange at a time answers them in
 * order. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/magic.h"
#include "loop/loop.h"
#include "proxy/client.h"

struct h2_connection;

enum connection_phase {
	CONNECTION_IDLE,	 /* between requests: nothing received yet */
	CONNECTION_HEAD,	 /* a head is arriving */
	CONNECTION_EXCHANGE,	 /* a request is being answered */
	CONNECTION_STREAMS,	 /* HTTP/2 */
	CONNECTION_STREAMS_IDLE, /* without a stream */
	CONNECTION_LINGER,	 /* everything was sent; what still arrives is thrown away (RFC 9112
				  9.6) */
};

enum { CONNECTION_MAGIC = MAGIC('c', 'o', 'n', 'n') };

struct connection {
	uint32_t magic;
	struct client client; /* it has an exchange in CONNECTION_EXCHANGE */
	struct watch watch;
	struct timer timer;	  /* one deadline: which one follows from the phase */
	struct list link;	  /* on the worker's list: idle or active */
	struct h2_connection *h2; /* in CONNECTION_STREAMS, _IDLE */
	size_t scanned;		  /* of an incomplete head, see head.h */
	msec since;		  /* in this phase */
	enum connection_phase phase;
	bool may_switch; /* nothing has come, or only the beginning of HTTP/2's preface */
	bool is_last; /* its client closes it after the last request it sent, which has no body */
	bool is_running; /* connection_run is on the stack */
	bool is_counted; /* counted among those of its address */
};

/* Takes the descriptor. */
void connection_open(struct worker *w, int fd, const struct address *peer);
/* Ends it at once; what was not sent is lost.  The memory lives until the end of the turn. */
void connection_close(struct connection *c);
/* No more requests are taken; those that have just come are answered first. */
void connection_drain(struct connection *c);
/* For h2_connection.c.  The deadline of the phase; MSEC_NEVER: none. */
void connection_deadline(struct connection *c, msec at);
void connection_set_phase(struct connection *c, enum connection_phase phase);
/* Everything was sent, or is in the socket: lets the client read it, and closes. */
void connection_linger(struct connection *c);
