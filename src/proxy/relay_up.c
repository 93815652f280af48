/* relay_up.c - a request on its way to the tenant: head, body, what a client says in a tunnel. */
/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>

#include "net/socket.h"
#include "proxy/relay_int.h"

/* The tenant takes no more.  It may have answered before it went: what it said is read first, and
 * then its end, which decides. */
static enum step turn_deaf(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;

	if (u->is_connecting)
		return relay_upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	u->is_deaf = true;
	outbox_done(&u->out);
	splice_close(&x->trip.up_pipe);
	u->in.can_read = u->in.saw_eof = true;
	return GO;
}

/* Sends the gather to the tenant; the outbox is empty. */
static enum step send_up(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;
	size_t offered = x->worker->gather.bytes;

	if (outbox_send(&u->out, u->watch.fd, &x->worker->gather) < 0)
		return turn_deaf(x);
	if (buf_len(&u->out.waiting) < offered)
		u->is_connecting = false;
	relay_expect_answer(x);
	return GO;
}

static enum step flush_up(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;
	size_t before = buf_len(&u->out.waiting);

	if (outbox_flush(&u->out, u->watch.fd) < 0)
		return turn_deaf(x);
	if (buf_len(&u->out.waiting) < before)
		u->is_connecting = false;
	relay_expect_answer(x);
	return GO;
}

static bool is_too_large(const struct exchange *x)
{
	uint64_t limit = exchange_settings(x)->max_request_body;

	return limit && !x->trip.is_tunnel && x->trip.up.bytes > limit;
}

static enum step refuse(struct exchange *x, enum error error, str why)
{
	gather_forget(&x->worker->gather);
	return exchange_fail(x, error, why);
}

/* Gathers what the client's inbox has of the body. */
static enum step feed_up(struct exchange *x)
{
	struct client *c = x->client;
	size_t used = 0;
	enum parse r = flow_feed(&x->trip.up, c->in.unread, &used, &x->worker->gather);

	x->trip.awaits_continue = false;
	inbox_take(&c->in, used);
	if (is_too_large(x))
		return refuse(x, ERROR_BODY_TOO_LARGE, STR_EMPTY);
	if (r != PARSE_BAD)
		return GO;
	return refuse(x, ERROR_BAD_REQUEST, STR("RFC 9112 7.1: the chunked coding is broken"));
}

static enum step client_ended(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;

	if (!x->trip.is_tunnel || flow_end(&x->trip.up, &x->worker->gather) != PARSE_OK)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	shutdown(u->watch.fd, SHUT_WR); /* the other direction goes on */
	return GO;
}

/* One read from the client. */
static enum step read_up(struct exchange *x)
{
	struct client *c = x->client;
	ssize_t n;

	if (!c->in.can_read)
		return WAIT;
	n = client_read(c);
	if (n == -EAGAIN)
		return WAIT;
	x->reply.client_gave = true;
	if (n < 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	return n ? GO : client_ended(x);
}

static enum step splice_up(struct exchange *x)
{
	struct client *c = x->client;
	struct upstream *u = x->trip.upstream;
	size_t held = x->trip.up_pipe.held;
	enum spliced r =
		splice_pass(&x->trip.up_pipe, &x->trip.up, &c->in, c->fd, &u->out, u->watch.fd);

	if (r == SPLICE_SOURCE_ENDED)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (r == SPLICE_SINK_FAILED)
		return turn_deaf(x);
	x->reply.client_gave |= r == SPLICED || (x->trip.up_pipe.held && !held);
	if (r == SPLICED || x->trip.up_pipe.held != held)
		relay_expect_answer(x);
	return r == SPLICED ? GO : WAIT;
}

enum step relay_up(struct exchange *x)
{
	struct client *c = x->client;
	struct upstream *u = x->trip.upstream;
	enum step s;

	if (u->out.is_blocked || u->is_deaf)
		return WAIT;
	if (!outbox_is_empty(&u->out))
		return flush_up(x);
	if (relay_use_pipe(x, &x->trip.up, &c->in, &x->trip.up_pipe))
		return splice_up(x);
	if (x->trip.up.is_done || (x->trip.awaits_continue && !c->in.unread.n && !c->in.can_read))
		return WAIT;
	if (!c->in.unread.n)
		return read_up(x);
	s = feed_up(x);
	return s == GO ? send_up(x) : s;
}

enum step relay_begin_up(struct exchange *x)
{
	enum step s = GO;

	gather_add(&x->worker->gather, buf_str(&x->trip.request));
	/* A refused connection is tried again: until it is there nothing of the body may leave the
	 * inbox. */
	if (!x->trip.upstream->is_connecting && x->client->in.unread.n && !x->trip.up.is_done)
		s = feed_up(x);
	return s == GO ? send_up(x) : s;
}
