/* reply.c - the tenant's answer on its way to the client: interim heads, the final one, which the
 * cache or a file may replace; its body, and what a tenant sends in a tunnel. */
/* SPDX-License-Identifier: MIT */
#include "proxy/reply.h"

#include "base/number.h"
#include "http/field.h"
#include "net/socket.h"
#include "proxy/answer.h"
#include "proxy/busy.h"
#include "proxy/caching.h"
#include "proxy/exchange_int.h"
#include "proxy/no_wake.h"
#include "proxy/peer.h"
#include "proxy/relay.h"
#include "proxy/respond.h"
#include "proxy/sendfile.h"
#include "proxy/upstream.h"
#include "proxy/worker_peers.h"

/* --- the address at which the application listens --- */

/* The address that we have told the application. */
static str scheme_of(struct exchange *x)
{
	struct request_head asked;
	str scheme;

	asked_head(&x->arena, &x->trip.asked, &x->trip.request, &asked);
	scheme = header_value(asked.headers, asked.nheaders, HEADER_X_FORWARDED_PROTO);
	return str_eq_nocase(scheme, STR("https")) ? STR("https") : STR("http");
}

static void hide_in(struct exchange *x, struct header *f, struct rewrite *own)
{
	struct buf value = {0};

	if (!own->origin.n)
		own->origin = str_of(arena_printf(&x->arena, STR_FMT "://" STR_FMT,
			STR_ARG(scheme_of(x)), STR_ARG(x->reply.rewrite.host)));
	if (answer_rewrite(&value, f, own)) {
		f->value = arena_dup(&x->arena, buf_str(&value));
		f->is_mended = true; /* the line as it came has the other one */
	}
	buf_done(&value);
}

static void hide_own_address(struct exchange *x, struct response_head *h)
{
	uint32_t port = atomic_load(&exchange_slot(x)->port);
	struct rewrite own = {0};
	char text[1 + 20] = ":";
	size_t n = 0;

	if (!port || !x->reply.rewrite.host.n)
		return;
	for (struct header *f = h->headers; f < h->headers + h->nheaders; f++) {
		if (!answer_has_places(f))
			continue;
		if (!n) {
			own.own_port = port;
			n = 1 + number_write(text + 1, port);
		}
		if (str_find(f->value, (str){text, n}) >= 0)
			hide_in(x, f, &own);
	}
}

/* --- heads --- */

enum step reply_send(struct exchange *x)
{
	bool is_end = x->reply.answer_began && x->reply.down.is_done;

	x->reply.client_took = true; /* all that waited before */
	x->worker->scratch.gather.is_followed =
		is_end && !x->reply.keep_alive && !x->trip.is_tunnel;
	if (exchange_send(x) < 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (is_end)
		respond_tell_end(x);
	return GO;
}

/* An interim response; 101 is not one. */
static enum step pass_interim(struct exchange *x, const struct response_head *h)
{
	struct worker *w = x->worker;
	struct answer_in in = {
		.minor = 1,
		.framing = BODY_NONE,
		.keep_alive = true,
		.rewrite = respond_rewrite(x),
	};

	relay_set_deadline(x); /* it works on it */
	if (h->status == 100 && !x->trip.awaits_continue)
		return GO; /* sent already, or never asked for */
	if (h->status == 100)
		x->trip.awaits_continue = false;
	if (!x->wish.minor)
		return GO;
	answer_head(scratch_lend(&w->scratch.head_out), h, &in);
	client_head(x->client, buf_str(&w->scratch.head_out.text), false);
	return reply_send(x);
}

/* It answers, so the unanswered requests before meant nothing.  Written seldom, so as not to take
 * the cache line from other threads. */
static void note_answer(struct exchange *x, struct response_head *h)
{
	struct slot *slot = exchange_slot(x);

	if (atomic_load_explicit(&slot->timeouts, memory_order_relaxed))
		atomic_store_explicit(&slot->timeouts, 0, memory_order_relaxed);
	if (header_set_has(&x->worker->response_has, HEADER_FLY_ATC_BUSY))
		busy_take(x, h);
	hide_own_address(x, h);
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
	struct response_head *head = &w->scratch.response;
	enum step next = WAIT;
	unsigned status;
	size_t used;

	switch (response_head_parse(head, scratch_headers_lend(&w->scratch.headers), HEADERS_MAX,
		u->in.unread, &u->scanned, &limits, x->wish.method, &used, &status)) {
	case PARSE_OK:
		inbox_take(&u->in, used);
		header_set_read(&w->response_has, head->headers, head->nheaders);
		if (x->trip.tenant)
			note_answer(x, head);
		if (head->status >= 200 || head->has_upgrade)
			return STEP_HEAD; /* which has the headers now */
		next = pass_interim(x, head);
		break;
	case PARSE_BAD:
		next = exchange_fail(
			x, ERROR_BAD_RESPONSE, head_fault_text(&x->arena, &head->fault));
		break;
	case PARSE_MORE:
		break;
	}
	scratch_headers_return(&w->scratch.headers);
	return next;
}

/* --- the final head --- */

static void become_tunnel(struct exchange *x, const struct response_head *h)
{
	x->trip.is_tunnel = true;
	x->trip.is_websocket = str_eq_nocase(h->upgrade, STR("websocket"));
	x->reply.keep_alive = false;
	if (x->trip.tenant)
		atomic_fetch_add(&exchange_slot(x)->upgrades, 1);
	flow_done(&x->trip.up);
	flow_init(&x->trip.up, BODY_UNTIL_CLOSE, 0, BODY_UNTIL_CLOSE);
	flow_init(&x->reply.down, BODY_UNTIL_CLOSE, 0, BODY_UNTIL_CLOSE);
}

/* It has no end of its own: a browser opens it again when it ends. */
static bool is_event_stream(const struct response_head *h)
{
	str type, params;

	if (h->body != BODY_CHUNKED && h->body != BODY_UNTIL_CLOSE)
		return false;
	type = header_value(h->headers, h->nheaders, HEADER_CONTENT_TYPE);
	return str_eq_nocase(field_value(type, &params), STR("text/event-stream"));
}

/* Gathers it; the body's flow begins. */
static enum step begin_reply(struct exchange *x, struct response_head *h)
{
	if (h->has_upgrade || is_event_stream(h))
		worker_stream_began(x);
	caching_head(x, h);
	respond_begin(x, h);
	if (h->has_upgrade)
		become_tunnel(x, h);
	x->reply.is_head_new = true;
	return STEP_RELAY;
}

static enum step refuse_response(struct exchange *x, str why)
{
	return exchange_fail(x, ERROR_BAD_RESPONSE, why);
}

static enum step judge_head(struct exchange *x, struct response_head *h)
{
	enum step next;

	/* The rest of a body must not become the first words of another protocol. */
	if (h->has_upgrade && (!x->wish.wants_upgrade || !x->trip.up.is_done))
		return refuse_response(x, STR("RFC 9110 7.8: 101 that was not asked for"));
	if (!client_accepts(x->client, h))
		return refuse_response(
			x, STR("RFC 8441 5: 101 for something else than was asked for"));
	/* Nothing has been sent yet, so the client can still be told what is wrong. */
	if (h->body == BODY_CHUNKED && !chunked_is_sound(x->trip.upstream->in.unread))
		return refuse_response(
			x, STR("RFC 9112 7.1: a body that is not chunked as it says"));
	if (x->trip.tenant)
		no_wake_learn(x, h->status);
	x->record.upstream_ms =
		(int64_t)((loop_usec(x->worker->loop) - x->trip.upstream_began) / 1000);
	next = caching_take(x, h);
	if (next != WAIT)
		return next;
	x->trip.can_reuse = h->keep_alive && !h->has_upgrade;
	if (header_set_has(&x->worker->response_has, HEADER_KEEP_ALIVE) ||
		x->trip.upstream->idle_limit)
		upstream_learn(x->trip.upstream, h);
	upstream_deadline(x->trip.upstream, MSEC_NEVER);
	if (x->trip.peer.is) {
		if (peer_is_another(x, h))
			return STEP_PEER;
		worker_peer_answered(x->trip.peer.is);
		begin_reply(x, h);
		x->trip.peer.until = 0;
		relay_set_deadline(x); /* it may vanish in the middle of its answer */
		return STEP_RELAY;
	}
	return sendfile_is_asked(x, h) ? sendfile_begin(x, h) : begin_reply(x, h);
}

enum step reply_step(struct exchange *x)
{
	struct worker *w = x->worker;
	enum step next = judge_head(x, &w->scratch.response);

	scratch_headers_return(&w->scratch.headers); /* what of them is needed has been copied */
	return next;
}

/* --- the body --- */

/* Payload goes through the stages, if there are any, into the gather, and out. */
static enum step pass_down(struct exchange *x, enum passing how)
{
	if (x->reply.stages && respond_pass(x, how) < 0) {
		gather_forget(&x->worker->scratch.gather);
		return exchange_cut(x, ERROR_INTERNAL);
	}
	return reply_send(x);
}

static enum step feed_down(struct exchange *x)
{
	struct worker *w = x->worker;
	struct upstream *u = x->trip.upstream;
	size_t used = 0;
	enum parse r = flow_feed(&x->reply.down, u->in.unread, &used,
		x->reply.stages ? &w->scratch.payload : &w->scratch.gather);

	if (x->trip.is_websocket)
		websocket_follow(&x->reply.frames, str_slice(u->in.unread, 0, used));
	inbox_take(&u->in, used);
	if (r == PARSE_BAD) {
		gather_forget(&w->scratch.payload);
		gather_forget(&w->scratch.gather);
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
		/* A pooled connection that was already dead answers with a reset.  A plain end says
		 * that the request was read, and may have had effects: it is not sent again. */
		if (!x->trip.peer.is && !x->trip.upstream->is_deaf &&
			socket_error(x->trip.upstream->watch.fd) == 0)
			x->trip.is_retried = true;
		return relay_upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	}
	x->trip.can_reuse = false;
	if (flow_end(&x->reply.down, &x->worker->scratch.gather) != PARSE_OK)
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
	n = inbox_read(&u->in, u->watch.fd, x->worker->scratch.upstream_bytes,
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

enum step reply_move(struct exchange *x)
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
	if (!stages_are_ready(x)) {
		worker_go_on_later(c);
		return WAIT;
	}
	if (!u->in.unread.n)
		return read_down(x);
	if (x->reply.answer_began)
		return feed_down(x);
	s = parse_down(x);
	return s == WAIT ? read_down(x) : s; /* an incomplete head: more of it, if it is there */
}
