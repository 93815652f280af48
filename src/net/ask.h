/* ask.h - one request of HTTP/1.1 as a client, over a connection of its own, and its answer.
 *
 * The answer is read as strictly as the proxy reads those of applications (http/head.h), by length,
 * in chunks or until the end; interim answers are passed over.  Everything that the other end could
 * do endlessly has a limit: time, bytes of a head, bytes of a body, interim answers.  It need not
 * be trusted.
 *
 * Each callback comes from the loop, never from inside ask_start.  on_end comes exactly once, and
 * last, unless ask_cancel was called, after which nothing comes; that may be at any time, from
 * inside a callback too. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "http/head.h"
#include "loop/loop.h"
#include "net/socket.h"

struct ask;

/* How far it has got. */
enum ask_step {
	ASK_CONNECTING,
	ASK_SENDING, /* the request is being sent; an answer that comes meanwhile is read */
	ASK_HEAD,    /* the system has taken the whole request */
	ASK_BODY,    /* the final head is here */
};

struct ask_request {
	struct endpoint to; /* its path is borrowed until ask_start returns */
	str request; /* head and body, whole, with `Connection: close`; copied.  See ask_write */
	msec limit;  /* for everything, from ask_start; 0: none */
	uint64_t max_body; /* bytes of payload; 0: no limit */
};

struct ask_end {
	/* 0: the answer is complete.  -ETIMEDOUT: not within the limit.  -EPIPE: the other end
	 * closed the connection before it was.  -EPROTO: it is not HTTP.  -EMSGSIZE: the body is
	 * larger than max_body (a head that is too large is -EPROTO).  Or an error of the
	 * system. */
	int error;
	enum ask_step step; /* the phase in which it ended */
	unsigned status;    /* of the final head; 0: there was none */
	const char *text;   /* for people, on one line: what went wrong, and where; empty without an
			       error */
};

/* Any but on_end may be NULL. */
struct ask_ops {
	/* The connection is there. */
	void (*on_connected)(void *arg);
	/* The final head; its strs are valid until this returns. */
	void (*on_head)(void *arg, const struct response_head *head);
	/* The next bytes of the body, decoded; never empty, valid until this returns. */
	void (*on_data)(void *arg, str piece);
	void (*on_end)(void *arg, const struct ask_end *end);
};

/* Borrows ops.  Valid until on_end is called, or until ask_cancel. */
struct ask *ask_start(
	struct loop *l, const struct ask_request *r, const struct ask_ops *ops, void *arg) MUST_USE;
/* The connection is closed and no callback comes any more.  NULL is fine. */
void ask_cancel(struct ask *a);
/* How far it is now. */
enum ask_step ask_step(const struct ask *a);

/* The same, waited for on a loop of its own: for the command line.  0, or -errno if there is no
 * loop; on_end says how it ended. */
int ask_wait(const struct ask_request *r, const struct ask_ops *ops, void *arg) MUST_USE;

/* Writes a request for ask_start.  `type` is the body's; empty: there is no body. */
void ask_write(struct buf *out, const char *method, str target, str host, str type, str body);
