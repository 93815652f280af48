/* relay.c - bytes between client and tenant, both ways at once, never more than one read of them in
 * memory.
 *
 * relay_run moves what can be moved and is called again by whatever event lets more move: each side
 * is read only while the other side's outbox is empty. */
/* SPDX-License-Identifier: MIT */
#include "net/socket.h"
#include "proxy/proxy_int.h"
#include "proxy/relay_int.h"

/* Steps of one exchange before others have their turn. */
#define STEPS_PER_TURN 16
/* From here on the kernel moves a body without showing it to us. */
#define SPLICE_FROM 65536

static bool may_repeat(const struct exchange *x)
{
	return !x->answer_began && x->upstream->is_reused && !x->is_retried &&
	       method_is_idempotent(x->method) && x->up.in != BODY_CHUNKED && x->up.is_done &&
	       !x->up.bytes;
}

enum step relay_upstream_failed(struct exchange *x, enum error error)
{
	if (x->upstream->is_connecting && !x->answer_began) {
		hold_refused(x);
		return GONE;
	}
	if (error == ERROR_UPSTREAM_CLOSED && may_repeat(x)) {
		x->is_retried = true;
		exchange_drop_upstream(x, false);
		exchange_leave_tenant(x);
		hold_want_tenant(x);
		return GONE;
	}
	exchange_fail(x, error, STR_EMPTY);
	return GONE;
}

enum step relay_client_failed(struct exchange *x)
{
	exchange_abort(x, ERROR_CLIENT_GONE);
	return GONE;
}

void relay_expect_answer(struct exchange *x)
{
	struct upstream *u = x->upstream;
	msec limit = exchange_settings(x)->response_timeout;

	if (relay_up_waits(x))
		u->unsent = socket_unsent(u->watch.fd);
	if (u->is_connecting)
		upstream_deadline(u, x->connect_until);
	else if (!x->answer_began)
		upstream_deadline(u, msec_limit(loop_now(x->worker->loop), limit));
}

static bool open_pipe(struct worker *w, struct splice_pipe *p)
{
	if (p->is_open)
		return true;
	if (w->nspare_pipes) {
		*p = w->spare_pipes[--w->nspare_pipes];
		return true;
	}
	return splice_open(p) == 0;
}

void relay_give_pipe(struct worker *w, struct splice_pipe *p)
{
	if (!p->is_open)
		return;
	if (p->held || w->nspare_pipes == SPARE_PIPES)
		splice_close(p);
	else
		w->spare_pipes[w->nspare_pipes++] = *p;
	*p = (struct splice_pipe){0};
}

/* Until more of a body comes it needs none: a few are enough for all that move. */
static void give_empty_pipes(struct exchange *x)
{
	if (!x->up_pipe.held)
		relay_give_pipe(x->worker, &x->up_pipe);
	if (!x->down_pipe.held)
		relay_give_pipe(x->worker, &x->down_pipe);
}

bool relay_is_spliced(
	struct exchange *x, struct flow *f, const struct inbox *in, struct splice_pipe *p)
{
	if (x->client->fd < 0 || (f == &x->down && x->stages))
		return false;
	if (f->in != BODY_LENGTH || in->unread.n)
		return p->held != 0;
	return p->held || (flow_raw(f) >= SPLICE_FROM && open_pipe(x->worker, p));
}

/* The answer is whole, and out. */
static bool is_finished(const struct exchange *x)
{
	const struct client *c = x->client;

	return x->answer_began && x->down.is_done && !x->down_pipe.held &&
	       outbox_is_empty(&c->out) && (!x->is_tunnel || x->up.is_done || x->upstream->is_deaf);
}

static void finish(struct exchange *x)
{
	bool can_reuse = x->can_reuse && x->up.is_done && !relay_up_waits(x);

	exchange_drop_upstream(x, can_reuse);
	exchange_end(x, x->keep_alive);
}

/* --- deadlines of the client --- */

static enum client_owes owed_by_client(const struct exchange *x)
{
	const struct client *c = x->client;

	if (c->out.is_blocked || !outbox_is_empty(&c->out) || x->down_pipe.held)
		return CLIENT_TAKES;
	if (x->is_tunnel)
		return x->up.is_done || x->down.is_done ? CLIENT_ENDS : CLIENT_FREE;
	if (x->up.is_done)
		return c->in.saw_eof ? CLIENT_STAYS : CLIENT_FREE;
	if (relay_up_waits(x) || x->upstream->is_deaf)
		return CLIENT_FREE;
	return x->awaits_continue ? CLIENT_IS_TOLD : CLIENT_SENDS;
}

/* What moves on one side is no excuse for the other: a deadline is put off only by what it waits
 * for. */
static void update_client_deadline(struct exchange *x)
{
	enum client_owes owes = owed_by_client(x);
	bool moved = (x->client_took && owes != CLIENT_SENDS) ||
		     (x->client_gave && owes != CLIENT_TAKES && owes != CLIENT_STAYS);

	if (owes != x->pace.owes || (moved && owes != CLIENT_FREE))
		pace_await(x, owes);
	x->client_took = x->client_gave = false;
}

void relay_client_timeout(struct exchange *x)
{
	struct client *c = x->client;

	if (!pace_is_over(x))
		return;
	switch (x->pace.owes) {
	case CLIENT_FREE:
		return;
	case CLIENT_TAKES:
		exchange_abort(x, ERROR_WRITE_TIMEOUT);
		return;
	case CLIENT_SENDS:
		exchange_fail(x, ERROR_REQUEST_TIMEOUT, STR_EMPTY);
		return;
	case CLIENT_IS_TOLD:
		x->awaits_continue = false;
		c->in.can_read = true;
		client_head(c, STR("HTTP/1.1 100 Continue\r\n\r\n"), false);
		if (relay_send_down(x) == GO)
			relay_run(x);
		return;
	case CLIENT_ENDS:
		exchange_abort(x, ERROR_NONE);
		return;
	case CLIENT_STAYS:
		exchange_abort(x, ERROR_CLIENT_GONE);
		return;
	}
}

/* --- turns --- */

/* False when the exchange is gone. */
static bool move(struct exchange *x)
{
	for (int i = 0; i < STEPS_PER_TURN; i++) {
		enum step up = relay_up(x), down = GONE;

		if (up != GONE)
			down = relay_down(x);
		if (down == GONE)
			return false;
		if (is_finished(x)) {
			finish(x);
			return false;
		}
		if (up == WAIT && down == WAIT)
			return true;
	}
	worker_go_on_later(x->client);
	return true;
}

void relay_run(struct exchange *x)
{
	struct client *c = x->client;
	struct upstream *u = x->upstream;

	if (move(x)) {
		give_empty_pipes(x);
		update_client_deadline(x);
		inbox_keep(&u->in);
	}
	/* Also when the exchange is gone: what the client sent behind it is still in the scratch
	 * buffer. */
	if (!c->is_closed)
		client_settle(c);
}

void relay_start(struct exchange *x)
{
	x->upstream_began = clock_usec();
	x->pace = (struct pace){0};
	if (relay_begin_up(x) == GO)
		relay_run(x);
}

void exchange_dismiss(struct exchange *x)
{
	if (x->state != EXCHANGE_RELAYING || x->down.is_done)
		return;
	if (x->stages) { /* what is stored must not look whole */
		exchange_abort(x, ERROR_DISMISSED);
		return;
	}
	x->keep_alive &= x->up.is_done;
	x->client->is_hurried = true;
	if (x->is_websocket && websocket_may_speak(&x->frames))
		gather_add(&x->worker->gather, WEBSOCKET_GOING_AWAY);
	flow_finish(&x->down, &x->worker->gather);
	if (relay_send_down(x) == GONE)
		return;
	exchange_drop_upstream(x, false);
	exchange_leave_tenant(x);
	x->pace = (struct pace){0};
	exchange_finish_answer(x);
}

/* One slow answer is none of our business; when nothing is answered, the supervisor has a look. */
static void fail_late(struct exchange *x, enum error error)
{
	uint32_t max = x->conf ? (uint32_t)x->conf->app->max_timeouts : 0;
	uint32_t n = atomic_fetch_add(&exchange_slot(x)->timeouts, 1) + 1;

	if (max && n % max == 0)
		proxy_stuck(x->worker->proxy, x->tenant->slot);
	exchange_fail(x, error, STR_EMPTY);
}

void exchange_upstream_timeout(struct exchange *x)
{
	struct upstream *u = x->upstream;

	if (u->is_connecting)
		fail_late(x, ERROR_CONNECT_FAILED);
	else if (relay_up_waits(x) && socket_unsent(u->watch.fd) < u->unsent)
		relay_expect_answer(x); /* it reads, if slowly */
	else if (x->up.is_done || relay_up_waits(x) || u->is_deaf)
		fail_late(x, ERROR_RESPONSE_TIMEOUT);
	else
		relay_expect_answer(x); /* it is the client that we wait for */
}
