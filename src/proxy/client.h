/* client.h - the client's side of an exchange: an HTTP/1 connection, or one stream of an HTTP/2
 * connection.
 *
 * An exchange writes in one form whatever the protocol: heads as HTTP/1.1 text, bodies as pieces in
 * the worker's gather.  HTTP/1 sends them as they are; HTTP/2 makes frames of them.  It reads in
 * one form, too: a stream's inbox holds the bytes that an HTTP/1 client would have sent. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "net/inbox.h"
#include "net/outbox.h"
#include "net/socket.h"

struct worker;
struct exchange;
struct client;
struct response_head;

/* A client that sends more than was wanted is read from until it stops: closing earlier would reset
 * the connection, or the stream, and lose the answer.  Both its silence and the whole time are
 * limited. */
#define CLIENT_LINGER_SILENCE 2000
#define CLIENT_LINGER_LIMIT   30000

struct client_ops {
	/* As inbox_read, into the client's inbox. */
	ssize_t (*read)(struct client *c);
	/* The bytes read have been used as far as they can be now; the rest must outlive the
	 * turn. */
	void (*keep_rest)(struct client *c);
	/* A head with its empty line: interim, final, or 101.  Borrowed until the next send; the
	 * gather must still be empty. */
	void (*head)(struct client *c, str text, bool has_body);
	/* Sends the worker's gather, after what already waits.  0, or -errno: the client is
	 * dead. */
	int (*send)(struct client *c);
	/* Goes on sending what waits. */
	int (*flush)(struct client *c);
	/* The whole answer was sent.  `trailers` are field lines, or empty; in HTTP/1 the framing
	 * has already shown the end. */
	void (*end)(struct client *c, str trailers);
	/* The tenant has closed its half of a tunnel. */
	void (*shut)(struct client *c);
	/* Bytes that were sent but not yet taken by the client: falls as long as it reads. */
	size_t (*unsent)(const struct client *c);
	/* Calls exchange_client_timeout; MSEC_NEVER for never. */
	void (*deadline)(struct client *c, msec at);
	/* The exchange is over, and its answer is out.  keep_alive: another may follow. */
	void (*answered)(struct client *c, bool keep_alive);
	/* The next close must not look like the end of the answer. */
	void (*mark_cut)(struct client *c);
	/* Ends the client at once, and its exchange by exchange_client_gone. */
	void (*close)(struct client *c);
	/* False for an answer that the client would misread; NULL: every answer is fine. */
	bool (*accepts)(struct client *c, const struct response_head *h);
	/* How much of an answer may be prepared for it at once; NULL: any amount. */
	size_t (*piece)(const struct client *c);
	/* It is another machine of ours, whose clients are not one client; NULL: never. */
	void (*is_machine)(struct client *c);
	/* It gave way to others (worker_go_on_later), and their turn is over. */
	void (*go_on)(struct client *c);
};

/* Embed it. */
struct client {
	const struct client_ops *ops;
	struct worker *worker;
	struct exchange *exchange; /* the exchange under way, or NULL */
	struct inbox in;
	struct outbox out;
	struct list eager; /* on the worker's list, while it gives way to others */
	struct address peer;
	int fd; /* takes payload as it is, so that the kernel may move it; -1: framed by us */
	bool is_framed;	    /* HTTP/2 */
	bool is_background; /* it has no connection, and asks for what is stored (background.h) */
	bool is_closed;
	bool is_hurried; /* the rest of its answer is worth a moment's wait, but no more */
};

static inline ssize_t client_read(struct client *c)
{
	return c->ops->read(c);
}

static inline void client_keep_rest(struct client *c)
{
	c->ops->keep_rest(c);
}

static inline void client_head(struct client *c, str text, bool has_body)
{
	c->ops->head(c, text, has_body);
}

static inline MUST_USE int client_send(struct client *c)
{
	return c->ops->send(c);
}

static inline MUST_USE int client_flush(struct client *c)
{
	return c->ops->flush(c);
}

static inline void client_end(struct client *c, str trailers)
{
	c->ops->end(c, trailers);
}

static inline void client_shut(struct client *c)
{
	c->ops->shut(c);
}

static inline size_t client_unsent(const struct client *c)
{
	return c->ops->unsent(c);
}

static inline void client_deadline(struct client *c, msec at)
{
	c->ops->deadline(c, at);
}

static inline void client_answered(struct client *c, bool keep_alive)
{
	c->ops->answered(c, keep_alive);
}

static inline void client_mark_cut(struct client *c)
{
	c->ops->mark_cut(c);
}

static inline void client_close(struct client *c)
{
	c->ops->close(c);
}

static inline bool client_accepts(struct client *c, const struct response_head *h)
{
	return !c->ops->accepts || c->ops->accepts(c, h);
}

/* How much of `n` may be prepared at once. */
static inline size_t client_piece(const struct client *c, size_t n)
{
	return c->ops->piece ? MIN(n, c->ops->piece(c)) : n;
}

static inline void client_is_machine(struct client *c)
{
	if (c->ops->is_machine)
		c->ops->is_machine(c);
}

static inline void client_go_on(struct client *c)
{
	c->ops->go_on(c);
}
