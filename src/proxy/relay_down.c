/* relay_down.c - a response on its way to the client: interim heads, the final one, its body, what
 * a tenant says in a tunnel. */
/* SPDX-License-Identifier: MIT */
#include "net/socket.h"
#include "proxy/answer.h"
#include "proxy/busy.h"
#include "proxy/own_address.h"
#include "proxy/relay_int.h"
#include "proxy/respond.h"

enum step relay_send_down(struct exchange *x)
{
	bool is_end = x->reply.answer_began && x->reply.down.is_done;

	x->reply.client_took = true; /* all that waited before */
	x->worker->gather.is_followed = is_end && !x->reply.keep_alive && !x->trip.is_tunnel;
	if (exchange_send(x) < 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (is_end)
		respond_tell_end(x);
	return GO;
}

/* An interim response; 101 is not one. */
static enum step relay_interim(struct exchange *x, const struct response_head *h)
{
	struct worker *w = x->worker;
	struct answer_in in = {
		.minor = 1,
		.framing = BODY_NONE,
		.keep_alive = true,
		.rewrite = respond_rewrite(x),
	};

	relay_expect_answer(x); /* it works on it */
	if (h->status == 100 && !x->trip.awaits_continue)
		return GO; /* said already, or never asked for */
	if (h->status == 100)
		x->trip.awaits_continue = false;
	if (!x->wish.minor)
		return GO;
	answer_head(scratch_lend(&w->head_out), h, &in);
	client_head(x->client, buf_str(&w->head_out.text), false);
	return relay_send_down(x);
}

/* It answers: what it left unanswered before was not a sign.  Seldom written, so as not to take the
 * line from other threads. */
static void note_answer(const struct exchange *x)
{
	struct slot *slot = exchange_slot(x);

	if (atomic_load_explicit(&slot->timeouts, memory_order_relaxed))
		atomic_store_explicit(&slot->timeouts, 0, memory_order_relaxed);
}

static enum step parse_down(struct exchange *x)
{
	struct worker *w = x->worker;
	struct upstream *u = x->trip.upstream;
	const struct server_conf *server = exchange_settings(x);
	struct head_limits limits = {
		.max_bytes = server->max_header_bytes,
		.max_headers = (size_t)server->max_headers,
		.max_target = HEAD_LIMITS_DEFAULT.max_target,
	};
	struct response_head *head = &w->response;
	enum step next = WAIT;
	unsigned status;
	size_t used;

	switch (response_head_parse(head, scratch_headers_lend(&w->headers), HEADERS_MAX,
		u->in.unread, &u->scanned, &limits, x->wish.method, &used, &status)) {
	case PARSE_OK:
		inbox_take(&u->in, used);
		note_answer(x);
		busy_take(x, head);
		own_address_hide(x, head);
		if (head->status >= 200 || head->has_upgrade)
			return STEP_HEAD; /* which has the headers now */
		next = relay_interim(x, head);
		break;
	case PARSE_BAD:
		next = exchange_fail(
			x, ERROR_BAD_RESPONSE, head_fault_text(&x->arena, &head->fault));
		break;
	case PARSE_MORE:
		break;
	}
	scratch_headers_return(&w->headers);
	return next;
}

/* Payload goes through the stages, if there are any, into the gather, and out. */
static enum step pass_down(struct exchange *x, enum passing how)
{
	if (x->reply.stages && respond_pass(x, how) < 0) {
		gather_forget(&x->worker->gather);
		return exchange_cut(x, ERROR_INTERNAL);
	}
	return relay_send_down(x);
}

static enum step feed_down(struct exchange *x)
{
	struct worker *w = x->worker;
	struct upstream *u = x->trip.upstream;
	size_t used = 0;
	enum parse r = flow_feed(
		&x->reply.down, u->in.unread, &used, x->reply.stages ? &w->payload : &w->gather);

	if (x->trip.is_websocket)
		websocket_follow(&x->reply.frames, str_slice(u->in.unread, 0, used));
	inbox_take(&u->in, used);
	if (r == PARSE_BAD) {
		gather_forget(&w->payload);
		gather_forget(&w->gather);
		x->record.detail = STR("RFC 9112 7.1: the chunked coding is broken");
		return exchange_cut(x, ERROR_BAD_RESPONSE);
	}
	if (x->reply.down.is_done)
		return pass_down(x, PASS_END);
	return pass_down(x, u->in.unread.n || u->in.can_read ? PASS_MORE : PASS_FLUSH);
}

static enum step upstream_ended(struct exchange *x)
{
	if (!x->reply.answer_began) {
		/* A pooled connection that was dead resets what we sent.  A plain end says that the
		 * request was read: who knows what has been done with it, so it is not sent again.
		 */
		if (!x->trip.upstream->is_deaf && socket_error(x->trip.upstream->watch.fd) == 0)
			x->trip.is_retried = true;
		return relay_upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	}
	x->trip.can_reuse = false;
	if (flow_end(&x->reply.down, &x->worker->gather) != PARSE_OK)
		return exchange_cut(x, ERROR_TRUNCATED);
	return pass_down(x, PASS_END);
}

/* One read from the tenant. */
static enum step read_down(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;
	ssize_t n;

	if (!u->in.can_read)
		return WAIT;
	n = inbox_read(&u->in, u->watch.fd, x->worker->upstream_bytes,
		client_piece(x->client, UPSTREAM_READ));
	if (n == -EAGAIN)
		return x->reply.is_unflushed ? pass_down(x, PASS_FLUSH) : WAIT;
	if (n < 0)
		return x->reply.answer_began ? exchange_cut(x, ERROR_TRUNCATED)
					     : relay_upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	return n ? GO : upstream_ended(x);
}

static enum step splice_down(struct exchange *x)
{
	struct client *c = x->client;
	struct upstream *u = x->trip.upstream;
	size_t held = x->reply.down_pipe.held;
	enum spliced r = splice_pass(
		&x->reply.down_pipe, &x->reply.down, &u->in, u->watch.fd, &c->out, c->fd);

	if (r == SPLICE_SOURCE_ENDED)
		return upstream_ended(x);
	if (r == SPLICE_SINK_FAILED)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	x->reply.client_took |= r == SPLICED || x->reply.down_pipe.held != held;
	return r == SPLICED ? GO : WAIT;
}

static enum step flush_down(struct exchange *x)
{
	struct client *c = x->client;
	size_t before = buf_len(&c->out.waiting);

	if (client_flush(c) < 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	x->reply.client_took |= buf_len(&c->out.waiting) < before;
	return GO;
}

enum step relay_down(struct exchange *x)
{
	struct client *c = x->client;
	struct upstream *u = x->trip.upstream;
	enum step s;

	if (x->reply.is_head_new) { /* head and body leave in one write */
		x->reply.is_head_new = false;
		return feed_down(x);
	}
	if (c->out.is_blocked)
		return WAIT;
	if (!outbox_is_empty(&c->out))
		return flush_down(x);
	if (x->reply.answer_began && relay_use_pipe(x, &x->reply.down, &u->in, &x->reply.down_pipe))
		return splice_down(x);
	if (x->reply.answer_began && x->reply.down.is_done)
		return WAIT;
	if (!u->in.unread.n)
		return read_down(x);
	if (x->reply.answer_began)
		return feed_down(x);
	s = parse_down(x);
	return s == WAIT ? read_down(x) : s; /* an incomplete head: more of it, if it is there */
}
