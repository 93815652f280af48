/* client.h - the client's side of an exchange: an HTTP/1 connection, or one stream of an HTTP/2
 * connection.
 *
 * What an exchange says has one form whatever the protocol: a head is text as HTTP/1.1 has it, a
 * body is pieces in the worker's gather.  HTTP/1 sends them as they are; HTTP/2 makes frames of
 * them.  The same holds for what it hears: the inbox of a stream has the bytes that an HTTP/1
 * client would have sent. */
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

/* A client that says more than was wanted is listened to until it stops: an end before that would
 * reset the connection, or the stream, and the answer with it.  Silence, and all of it, are
 * limited. */
#define CLIENT_LINGER_SILENCE 2000
#define CLIENT_LINGER_LIMIT   30000

struct client_ops {
	/* As inbox_read, into the inbox. */
	ssize_t (*read)(struct client *c);
	/* The bytes read have been used as far as can be now; the rest must outlive the turn. */
	void (*keep_rest)(struct client *c);
	/* A head with its empty line: interim, final, or 101.  Borrowed until the next send, and
	 * nothing may be in the gather yet. */
	void (*head)(struct client *c, str text, bool has_body);
	/* Sends the worker's gather, behind what waits.  0, or -errno: it is dead. */
	int (*send)(struct client *c);
	/* Goes on with what waits. */
	int (*flush)(struct client *c);
	/* All of the answer was sent.  `trailers` are field lines, or empty; in HTTP/1 the framing
	 * has told it already. */
	void (*end)(struct client *c, str trailers);
	/* The tenant has closed its half of a tunnel. */
	void (*shut)(struct client *c);
	/* Bytes that were sent and the client has not taken: falls as long as it reads. */
	size_t (*unsent)(const struct client *c);
	/* Calls exchange_client_timeout; MSEC_NEVER for never. */
	void (*deadline)(struct client *c, msec at);
	/* The exchange is over, and its answer is out.  keep_alive: another may follow. */
	void (*answered)(struct client *c, bool keep_alive);
	/* What is closed next must not look like an end. */
	void (*mark_cut)(struct client *c);
	/* Ends it at once, and its exchange by exchange_client_gone. */
	void (*close)(struct client *c);
	/* False for an answer that the client would take for what it is not; NULL: there is none.
	 */
	bool (*accepts)(struct client *c, const struct response_head *h);
	/* How much of an answer may be made ready for it at once; NULL: any amount. */
	size_t (*piece)(const struct client *c);
	/* It gave way to others (worker_go_on_later), whose turn is over. */
	void (*go_on)(struct client *c);
};

/* Embed it. */
struct client {
	const struct client_ops *ops;
	struct worker *worker;
	struct exchange *exchange; /* the one under way, or NULL */
	struct inbox in;
	struct outbox out;
	struct list eager; /* of the worker, while it has given way to others */
	struct address peer;
	int fd; /* takes payload as it is, so that the kernel may move it; -1: framed by us */
	bool is_framed;	    /* HTTP/2 */
	bool is_background; /* it is nobody, and asks for what is stored (background.h) */
	bool is_closed;
	bool is_hurried; /* of its answer the rest is worth a moment, and no more */
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

/* The most that may be made ready at once, of `n`. */
static inline size_t client_piece(const struct client *c, size_t n)
{
	return c->ops->piece ? MIN(n, c->ops->piece(c)) : n;
}

static inline void client_go_on(struct client *c)
{
	c->ops->go_on(c);
}
