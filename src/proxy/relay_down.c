/* relay_down.c - a response on its way to the client: interim heads, the final one, its body, what
 * a tenant says in a tunnel. */
/* SPDX-License-Identifier: MIT */
#include "http/field.h"
#include "net/socket.h"
#include "proxy/answer.h"
#include "proxy/busy.h"
#include "proxy/caching.h"
#include "proxy/files.h"
#include "proxy/no_wake.h"
#include "proxy/own_address.h"
#include "proxy/relay_int.h"
#include "proxy/respond.h"

enum step relay_send_down(struct exchange *x)
{
	bool is_end = x->answer_began && x->down.is_done;

	x->client_took = true; /* all that waited before */
	x->worker->gather.is_followed = is_end && !x->keep_alive && !x->is_tunnel;
	if (client_send(x->client) < 0)
		return relay_client_failed(x);
	if (is_end)
		exchange_tell_end(x);
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
	if (h->status == 100 && !x->awaits_continue)
		return GO; /* said already, or never asked for */
	if (h->status == 100)
		x->awaits_continue = false;
	if (!x->minor)
		return GO;
	buf_clear(&w->head_out);
	answer_head(&w->head_out, h, &in);
	client_head(x->client, buf_str(&w->head_out), false);
	return relay_send_down(x);
}

static void become_tunnel(struct exchange *x, const struct response_head *h)
{
	x->is_tunnel = true;
	x->is_websocket = str_eq_nocase(h->upgrade, STR("websocket"));
	x->keep_alive = false;
	atomic_fetch_add(&exchange_slot(x)->upgrades, 1);
	flow_done(&x->up);
	flow_init(&x->up, BODY_UNTIL_CLOSE, 0, BODY_UNTIL_CLOSE);
	flow_init(&x->down, BODY_UNTIL_CLOSE, 0, BODY_UNTIL_CLOSE);
}

/* Without an end of its own: a browser opens it again when it ends. */
static bool is_event_stream(const struct response_head *h)
{
	str type = header_value(h->headers, h->nheaders, HEADER_CONTENT_TYPE), params;

	return (h->body == BODY_CHUNKED || h->body == BODY_UNTIL_CLOSE) &&
	       str_eq_nocase(field_value(type, &params), STR("text/event-stream"));
}

/* Gathers the final head; the body's flow begins. */
static enum step begin_down(struct exchange *x, struct response_head *h)
{
	if (h->has_upgrade || is_event_stream(h))
		worker_stream_began(x);
	caching_head(x, h);
	respond_begin(x, h);
	if (h->has_upgrade)
		become_tunnel(x, h);
	return GO;
}

static enum step refuse_head(struct exchange *x, str why)
{
	exchange_fail(x, ERROR_BAD_RESPONSE, why);
	return GONE;
}

static enum step take_head(struct exchange *x, struct response_head *h)
{
	own_address_hide(x, h);
	if (h->status < 200 && !h->has_upgrade)
		return relay_interim(x, h);
	/* What is left of a body must not become the first words of another protocol. */
	if (h->has_upgrade && (!x->wants_upgrade || !x->up.is_done))
		return refuse_head(x, STR("RFC 9110 7.8: 101 that was not asked for"));
	if (!client_accepts(x->client, h))
		return refuse_head(x, STR("RFC 8441 5: 101 for something else than was asked for"));
	/* Nothing has been said yet, so that it can still be said what is wrong. */
	if (h->body == BODY_CHUNKED && !chunked_is_sound(x->upstream->in.unread))
		return refuse_head(x, STR("RFC 9112 7.1: a body that is not chunked as it says"));
	no_wake_learn(x, h->status);
	x->record.upstream_ms = (int64_t)((clock_usec() - x->upstream_began) / 1000);
	if (caching_takes(x, h))
		return GONE;
	x->can_reuse = h->keep_alive && !h->has_upgrade;
	upstream_learn(x->upstream, h);
	upstream_deadline(x->upstream, MSEC_NEVER);
	if (files_are_asked(x, h)) {
		files_open(x, h);
		return GONE;
	}
	return begin_down(x, h);
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
	struct upstream *u = x->upstream;
	const struct server_conf *server = exchange_settings(x);
	struct head_limits limits = {
		.max_bytes = server->max_header_bytes,
		.max_headers = (size_t)server->max_headers,
		.max_target = HEAD_LIMITS_DEFAULT.max_target,
	};
	struct response_head head;
	unsigned status;
	size_t used;

	switch (response_head_parse(&head, w->headers, HEADERS_MAX, u->in.unread, &u->scanned,
		&limits, x->method, &used, &status)) {
	case PARSE_OK:
		inbox_take(&u->in, used);
		note_answer(x);
		busy_take(x, &head);
		return take_head(x, &head);
	case PARSE_BAD:
		return refuse_head(x, head_fault_text(&x->arena, &head.fault));
	case PARSE_MORE:
		break;
	}
	return WAIT;
}

/* Payload goes through the stages, if there are any, into the gather, and out. */
static enum step pass_down(struct exchange *x, enum passing how)
{
	if (x->stages && respond_pass(x, how) < 0) {
		gather_forget(&x->worker->gather);
		return exchange_cut(x, ERROR_INTERNAL);
	}
	return relay_send_down(x);
}

static enum step feed_down(struct exchange *x)
{
	struct worker *w = x->worker;
	struct upstream *u = x->upstream;
	size_t used = 0;
	enum parse r =
		flow_feed(&x->down, u->in.unread, &used, x->stages ? &w->payload : &w->gather);

	if (x->is_websocket)
		websocket_follow(&x->frames, str_slice(u->in.unread, 0, used));
	inbox_take(&u->in, used);
	if (r == PARSE_BAD) {
		gather_forget(&w->payload);
		gather_forget(&w->gather);
		x->record.detail = STR("RFC 9112 7.1: the chunked coding is broken");
		return exchange_cut(x, ERROR_BAD_RESPONSE);
	}
	if (x->down.is_done)
		return pass_down(x, PASS_END);
	return pass_down(x, u->in.unread.n || u->in.can_read ? PASS_MORE : PASS_FLUSH);
}

static enum step upstream_ended(struct exchange *x)
{
	if (!x->answer_began) {
		/* A pooled connection that was dead resets what we sent.  A plain end says that the
		 * request was read: who knows what has been done with it, so it is not sent again.
		 */
		if (!x->upstream->is_deaf && socket_error(x->upstream->watch.fd) == 0)
			x->is_retried = true;
		return relay_upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	}
	x->can_reuse = false;
	if (flow_end(&x->down, &x->worker->gather) != PARSE_OK)
		return exchange_cut(x, ERROR_TRUNCATED);
	return pass_down(x, PASS_END);
}

/* One read from the tenant. */
static enum step read_down(struct exchange *x)
{
	struct upstream *u = x->upstream;
	ssize_t n;

	if (!u->in.can_read)
		return WAIT;
	n = inbox_read(&u->in, u->watch.fd, x->worker->upstream_bytes,
		client_piece(x->client, UPSTREAM_READ));
	if (n == -EAGAIN)
		return x->is_unflushed ? pass_down(x, PASS_FLUSH) : WAIT;
	if (n < 0)
		return x->answer_began ? exchange_cut(x, ERROR_TRUNCATED)
				       : relay_upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	return n ? GO : upstream_ended(x);
}

static enum step splice_down(struct exchange *x)
{
	struct client *c = x->client;
	struct upstream *u = x->upstream;
	size_t held = x->down_pipe.held;
	enum spliced r = splice_pass(&x->down_pipe, &x->down, &u->in, u->watch.fd, &c->out, c->fd);

	if (r == SPLICE_SOURCE_ENDED)
		return upstream_ended(x);
	if (r == SPLICE_SINK_FAILED)
		return relay_client_failed(x);
	x->client_took |= r == SPLICED || x->down_pipe.held != held;
	return r == SPLICED ? GO : WAIT;
}

static enum step flush_down(struct exchange *x)
{
	struct client *c = x->client;
	size_t before = buf_len(&c->out.waiting);

	if (client_flush(c) < 0)
		return relay_client_failed(x);
	x->client_took |= buf_len(&c->out.waiting) < before;
	return GO;
}

enum step relay_down(struct exchange *x)
{
	struct client *c = x->client;
	struct upstream *u = x->upstream;
	enum step s;

	if (c->out.is_blocked)
		return WAIT;
	if (!outbox_is_empty(&c->out))
		return flush_down(x);
	if (x->answer_began && relay_is_spliced(x, &x->down, &u->in, &x->down_pipe))
		return splice_down(x);
	if (x->answer_began && x->down.is_done)
		return WAIT;
	if (!u->in.unread.n)
		return read_down(x);
	if (x->answer_began)
		return feed_down(x);
	s = parse_down(x);
	if (s == WAIT)
		return read_down(x); /* an incomplete head: more of it, if it is there */
	if (s == GO && x->answer_began)
		return feed_down(x); /* head and body leave in one write */
	return s;
}
