/* relay.c - bytes between client and tenant, both ways at once, never more than one read of them in
 * memory.
 *
 * relay_run moves what can be moved and is called again by whatever event lets more move: each side
 * is read only while the other side's outbox is empty.  Functions that return `enum step` say GONE
 * when the exchange has ended underway; then nothing of it may be touched. */
/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>

#include "net/socket.h"
#include "proxy/answer.h"
#include "proxy/exchange_int.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* Reads of one exchange before others have their turn. */
#define READS_PER_TURN 16
/* From here on the kernel moves a body without showing it to us. */
#define SPLICE_FROM 65536
/* A tenant that does not answer Expect: 100-continue within this time gets the body (RFC
 * 9110 10.1.1). */
#define CONTINUE_LIMIT 1000

enum step { GO, WAIT, GONE };

/* The tenant's side broke.  What is safe to send again is sent again, once. */
static enum step upstream_failed(struct exchange *x, enum error error)
{
	struct upstream *u = x->upstream;

	if (u->is_connecting && !x->answer_began) {
		hold_refused(x);
		return GONE;
	}
	if (!x->answer_began && u->is_reused && !x->is_retried && method_is_idempotent(x->method) &&
		x->up.in == BODY_NONE && error == ERROR_UPSTREAM_CLOSED) {
		x->is_retried = true;
		exchange_drop_upstream(x, false);
		exchange_leave_tenant(x);
		hold_want_tenant(x);
		return GONE;
	}
	exchange_fail(x, error, STR_EMPTY);
	return GONE;
}

static enum step client_failed(struct exchange *x)
{
	exchange_abort(x, ERROR_CLIENT_GONE);
	return GONE;
}

/* Connecting and waiting for the first byte of the answer have limits; nothing after that has. */
static void expect_answer(struct exchange *x)
{
	msec limit = exchange_settings(x)->response_timeout;

	if (x->upstream->is_connecting)
		upstream_deadline(x->upstream, x->connect_until);
	else if (!x->answer_began)
		upstream_deadline(
			x->upstream, limit ? loop_now(x->worker->loop) + limit : MSEC_NEVER);
}

/* Sends the gather to the tenant. */
static enum step send_up(struct exchange *x)
{
	struct upstream *u = x->upstream;

	if (outbox_send(&u->out, u->watch.fd, &x->worker->gather) < 0)
		return upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	if (!u->out.is_blocked)
		u->is_connecting = false;
	expect_answer(x);
	return GO;
}

static enum step send_down(struct exchange *x)
{
	return connection_send(x->connection) ? GO : client_failed(x);
}

static bool is_too_large(const struct exchange *x)
{
	uint64_t limit = exchange_settings(x)->max_request_body;

	return limit && !x->is_tunnel && x->up.bytes > limit;
}

static enum step too_large(struct exchange *x)
{
	struct worker *w = x->worker;

	w->gather.count = 0;
	w->gather.bytes = 0;
	exchange_fail(x, ERROR_BODY_TOO_LARGE, STR_EMPTY);
	return GONE;
}

/* Gathers what the client's inbox has of the body. */
static enum step feed_up(struct exchange *x)
{
	struct connection *c = x->connection;
	size_t used = 0;
	enum parse r = flow_feed(&x->up, c->in.unread, &used, &x->worker->gather);

	x->awaits_continue = false;
	inbox_take(&c->in, used);
	if (is_too_large(x))
		return too_large(x);
	if (r == PARSE_BAD) {
		x->worker->gather.count = 0;
		x->worker->gather.bytes = 0;
		exchange_fail(x, ERROR_BAD_REQUEST, STR_EMPTY);
		return GONE;
	}
	return GO;
}

static enum step client_ended(struct exchange *x)
{
	struct upstream *u = x->upstream;

	if (!x->is_tunnel || flow_end(&x->up, &x->worker->gather) != PARSE_OK)
		return client_failed(x);
	shutdown(u->watch.fd, SHUT_WR); /* the other direction goes on */
	return GO;
}

/* One read from the client. */
static enum step read_up(struct exchange *x)
{
	struct connection *c = x->connection;
	ssize_t n;

	if (!c->in.can_read)
		return WAIT;
	n = inbox_read(&c->in, c->watch.fd, x->worker->client_bytes, CLIENT_READ);
	if (n == -EAGAIN)
		return WAIT;
	if (n < 0)
		return client_failed(x);
	return n ? GO : client_ended(x);
}

static bool open_pipe(struct worker *w, struct splice_pipe *p)
{
	if (p->is_open)
		return true;
	if (w->spare_pipe.is_open) {
		*p = w->spare_pipe;
		w->spare_pipe = (struct splice_pipe){0};
		return true;
	}
	return splice_open(p) == 0;
}

/* A large body whose bytes nobody here needs to see. */
static bool is_spliced(
	struct exchange *x, struct flow *f, const struct inbox *in, struct splice_pipe *p)
{
	if (f->in != BODY_LENGTH || in->unread.n)
		return p->held != 0;
	return p->held || (flow_raw(f) >= SPLICE_FROM && open_pipe(x->worker, p));
}

enum spliced { SPLICED, SPLICE_WAITS, SPLICE_SOURCE_ENDED, SPLICE_SINK_FAILED };

static enum spliced splice_once(struct flow *f, struct splice_pipe *p, struct inbox *in, int from,
	struct outbox *out, int to)
{
	if (!p->held) {
		ssize_t n = in->can_read ? splice_in(p, from, flow_raw(f)) : -EAGAIN;

		if (n == -EAGAIN) {
			in->can_read = false;
			return SPLICE_WAITS;
		}
		if (n <= 0)
			return SPLICE_SOURCE_ENDED;
		flow_skip(f, (uint64_t)n);
	}
	while (p->held) {
		ssize_t n = splice_out(p, to);

		if (n == -EAGAIN) {
			out->is_blocked = true;
			return SPLICE_WAITS;
		}
		if (n <= 0)
			return SPLICE_SINK_FAILED;
	}
	return SPLICED;
}

static enum step splice_up(struct exchange *x)
{
	struct connection *c = x->connection;
	struct upstream *u = x->upstream;

	switch (splice_once(&x->up, &x->up_pipe, &c->in, c->watch.fd, &u->out, u->watch.fd)) {
	case SPLICED:
		expect_answer(x);
		return is_too_large(x) ? too_large(x) : GO;
	case SPLICE_WAITS:
		return WAIT;
	case SPLICE_SOURCE_ENDED:
		return client_failed(x);
	case SPLICE_SINK_FAILED:
		return upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	}
	return WAIT;
}

static enum step step_up(struct exchange *x)
{
	struct connection *c = x->connection;
	struct upstream *u = x->upstream;
	enum step s;

	if (u->out.is_blocked)
		return WAIT;
	if (!outbox_is_empty(&u->out)) {
		if (outbox_flush(&u->out, u->watch.fd) < 0)
			return upstream_failed(x, ERROR_UPSTREAM_CLOSED);
		if (!u->out.is_blocked)
			u->is_connecting = false;
		expect_answer(x);
		return GO;
	}
	if (is_spliced(x, &x->up, &c->in, &x->up_pipe))
		return splice_up(x);
	if (x->up.is_done || (x->awaits_continue && !c->in.unread.n && !c->in.can_read))
		return WAIT;
	if (!c->in.unread.n)
		return read_up(x);
	s = feed_up(x);
	return s == GO ? send_up(x) : s;
}

/* NULL where nothing of a response is to be rewritten. */
static const struct rewrite *rewrite_of(const struct exchange *x)
{
	return x->rewrite.prefix.n || x->rewrite.tenant_host.n ? &x->rewrite : NULL;
}

/* An interim response; 101 is not one. */
static enum step relay_interim(struct exchange *x, const struct response_head *h)
{
	struct worker *w = x->worker;
	struct answer_in in = {
		.minor = 1,
		.framing = BODY_NONE,
		.keep_alive = true,
		.rewrite = rewrite_of(x),
	};

	if (h->status == 100 && !x->awaits_continue)
		return GO; /* said already, or never asked for */
	x->awaits_continue = false;
	if (!x->minor)
		return GO;
	buf_clear(&w->head_out);
	answer_head(&w->head_out, h, &in);
	gather_add(&w->gather, buf_str(&w->head_out));
	return send_down(x);
}

static void become_tunnel(struct exchange *x)
{
	struct worker *w = x->worker;

	x->is_tunnel = true;
	x->keep_alive = false;
	atomic_fetch_add(&w->slots[x->conf->slot].upgrades, 1);
	flow_init(&x->up, BODY_UNTIL_CLOSE, 0, BODY_UNTIL_CLOSE);
	flow_init(&x->down, BODY_UNTIL_CLOSE, 0, BODY_UNTIL_CLOSE);
}

/* Gathers the final head; the body's flow begins. */
static enum step begin_down(struct exchange *x, const struct response_head *h)
{
	struct worker *w = x->worker;
	struct answer_in in = {
		.minor = x->minor,
		.framing = answer_framing(h, x->minor),
		.date = exchange_date(),
		.rewrite = rewrite_of(x),
	};

	x->can_reuse = h->keep_alive && !h->has_upgrade;
	x->keep_alive =
		x->keep_alive && x->up.is_done && in.framing != BODY_UNTIL_CLOSE && !w->is_draining;
	in.keep_alive = x->keep_alive;
	flow_init(&x->down, h->body, h->content_length, in.framing);
	if (h->has_upgrade)
		become_tunnel(x);
	x->answer_began = true;
	x->awaits_continue = false;
	x->record.status = h->status;
	x->record.upstream_ms = (int64_t)((clock_usec() - x->upstream_began) / 1000);
	if (x->is_logged)
		x->record.response_type = arena_dup(
			&x->arena, header_value(h->headers, h->nheaders, HEADER_CONTENT_TYPE));
	upstream_deadline(x->upstream, MSEC_NEVER);
	buf_clear(&w->head_out);
	answer_head(&w->head_out, h, &in);
	gather_add(&w->gather, buf_str(&w->head_out));
	return GO;
}

static enum step take_head(struct exchange *x, const struct response_head *h)
{
	if (h->status < 200 && !h->has_upgrade)
		return relay_interim(x, h);
	if (h->has_upgrade && !x->wants_upgrade)
		return upstream_failed(x, ERROR_BAD_RESPONSE);
	if (answer_is_sendfile(h))
		return upstream_failed(x, ERROR_SENDFILE);
	return begin_down(x, h);
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
		return take_head(x, &head);
	case PARSE_BAD:
		return upstream_failed(x, ERROR_BAD_RESPONSE);
	case PARSE_MORE:
		break;
	}
	return WAIT;
}

static enum step feed_down(struct exchange *x)
{
	struct upstream *u = x->upstream;
	size_t used = 0;
	enum parse r = flow_feed(&x->down, u->in.unread, &used, &x->worker->gather);

	inbox_take(&u->in, used);
	if (r == PARSE_BAD) {
		x->worker->gather.count = 0;
		x->worker->gather.bytes = 0;
		exchange_abort(x, ERROR_BAD_RESPONSE);
		return GONE;
	}
	return send_down(x);
}

static enum step cut_off(struct exchange *x)
{
	exchange_abort(x, ERROR_TRUNCATED);
	return GONE;
}

static enum step upstream_ended(struct exchange *x)
{
	if (!x->answer_began) {
		/* A pooled connection that was dead resets what we sent.  A plain end says that the
		 * request was read: who knows what has been done with it, so it is not sent again.
		 */
		if (socket_error(x->upstream->watch.fd) == 0)
			x->is_retried = true;
		return upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	}
	x->can_reuse = false;
	if (flow_end(&x->down, &x->worker->gather) != PARSE_OK)
		return cut_off(x);
	if (x->is_tunnel)
		shutdown(x->connection->watch.fd, SHUT_WR);
	return send_down(x);
}

/* One read from the tenant. */
static enum step read_down(struct exchange *x)
{
	struct upstream *u = x->upstream;
	ssize_t n;

	if (!u->in.can_read)
		return WAIT;
	n = inbox_read(&u->in, u->watch.fd, x->worker->upstream_bytes, UPSTREAM_READ);
	if (n == -EAGAIN)
		return WAIT;
	if (n < 0)
		return x->answer_began ? cut_off(x) : upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	return n ? GO : upstream_ended(x);
}

static enum step splice_down(struct exchange *x)
{
	struct connection *c = x->connection;
	struct upstream *u = x->upstream;

	switch (splice_once(&x->down, &x->down_pipe, &u->in, u->watch.fd, &c->out, c->watch.fd)) {
	case SPLICED:
		return GO;
	case SPLICE_WAITS:
		return WAIT;
	case SPLICE_SOURCE_ENDED:
		return upstream_ended(x);
	case SPLICE_SINK_FAILED:
		return client_failed(x);
	}
	return WAIT;
}

static enum step step_down(struct exchange *x)
{
	struct connection *c = x->connection;
	struct upstream *u = x->upstream;
	enum step s;

	if (c->out.is_blocked)
		return WAIT;
	if (!outbox_is_empty(&c->out))
		return outbox_flush(&c->out, c->watch.fd) < 0 ? client_failed(x) : GO;
	if (x->answer_began && is_spliced(x, &x->down, &u->in, &x->down_pipe))
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

/* The answer is whole, and out. */
static bool is_finished(const struct exchange *x)
{
	const struct connection *c = x->connection;

	return x->answer_began && x->down.is_done && !x->down_pipe.held &&
	       outbox_is_empty(&c->out) && (!x->is_tunnel || x->up.is_done);
}

static void finish(struct exchange *x)
{
	struct upstream *u = x->upstream;
	bool can_reuse =
		x->can_reuse && x->up.is_done && outbox_is_empty(&u->out) && !x->up_pipe.held;

	exchange_drop_upstream(x, can_reuse);
	exchange_end(x, x->keep_alive);
}

/* What the client owes us now, and until when. */
static void set_client_deadline(struct exchange *x)
{
	struct connection *c = x->connection;
	const struct server_conf *server = exchange_settings(x);
	msec limit = 0;

	if (!outbox_is_empty(&c->out) || x->down_pipe.held) {
		limit = server->write_timeout;
		x->unsent = socket_unsent(c->watch.fd);
	} else if (x->awaits_continue) {
		limit = CONTINUE_LIMIT;
	} else if (x->is_tunnel && (x->up.is_done || x->down.is_done)) {
		limit = server->keepalive_timeout; /* one side has said all; the other is not waited
						      for for ever */
	} else if (!x->up.is_done && !x->is_tunnel && outbox_is_empty(&x->upstream->out) &&
		   !x->up_pipe.held) {
		limit = server->body_timeout;
	}
	connection_deadline(c, limit ? loop_now(x->worker->loop) + limit : MSEC_NEVER);
}

void relay_run(struct exchange *x)
{
	struct connection *c = x->connection;
	struct upstream *u = x->upstream;

	for (int i = 0; i < READS_PER_TURN; i++) {
		enum step up = step_up(x), down;

		if (up == GONE)
			return;
		down = step_down(x);
		if (down == GONE)
			return;
		if (is_finished(x)) {
			finish(x);
			return;
		}
		if (up == WAIT && down == WAIT) {
			set_client_deadline(x);
			inbox_keep(&c->in);
			inbox_keep(&u->in);
			return;
		}
	}
	inbox_keep(&c->in);
	inbox_keep(&u->in);
	set_client_deadline(x);
	worker_go_on_later(x->worker, x);
}

void relay_start(struct exchange *x)
{
	bool is_connected = !x->upstream->is_connecting;

	x->upstream_began = clock_usec();
	gather_add(&x->worker->gather, buf_str(&x->request));
	/* A refused connection is tried again: until it is there nothing of the body may leave the
	 * inbox. */
	if (is_connected && x->connection->in.unread.n && !x->up.is_done && feed_up(x) == GONE)
		return;
	if (send_up(x) == GO)
		relay_run(x);
}

void relay_client_timeout(struct exchange *x)
{
	struct connection *c = x->connection;

	if (!outbox_is_empty(&c->out) || x->down_pipe.held) {
		/* The socket takes more only once a third of its buffer is free; a slow client that
		 * moves is not cut. */
		if (socket_unsent(c->watch.fd) < x->unsent)
			set_client_deadline(x);
		else
			exchange_abort(x, ERROR_WRITE_TIMEOUT);
	} else if (x->awaits_continue) {
		x->awaits_continue = false;
		c->in.can_read = true;
		gather_add(&x->worker->gather, STR("HTTP/1.1 100 Continue\r\n\r\n"));
		if (send_down(x) == GO)
			relay_run(x);
	} else if (x->is_tunnel) {
		exchange_abort(x, ERROR_NONE);
	} else {
		exchange_fail(x, ERROR_REQUEST_TIMEOUT, STR_EMPTY);
	}
}

void exchange_upstream_timeout(struct exchange *x)
{
	struct upstream *u = x->upstream;

	if (u->is_connecting)
		exchange_fail(x, ERROR_CONNECT_FAILED, STR_EMPTY);
	else if (x->up.is_done || !outbox_is_empty(&u->out) || x->up_pipe.held)
		exchange_fail(x, ERROR_RESPONSE_TIMEOUT, STR_EMPTY);
	else
		expect_answer(x); /* it is the client that we wait for */
}
