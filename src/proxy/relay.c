/* relay.c - bytes between client and tenant, both ways at once, never more than one read of them in
 * memory.
 *
 * The step moves what can be moved and is run again by whatever event lets more move: each side is
 * read only while the other side's outbox is empty. */
/* SPDX-License-Identifier: MIT */
#include "proxy/relay.h"

#include <sys/socket.h>

#include "net/socket.h"
#include "proxy/reply.h"
#include "proxy/respond.h"
#include "proxy/shared.h"

/* Steps of one exchange before others get their turn. */
#define STEPS_PER_TURN	16
#define EVENTS_OF_BYTES (unsigned)(EVENT_CLIENT | EVENT_UPSTREAM | EVENT_TURN)

/* Until more of a body comes it needs no pipes: a few are enough for all that move. */
static void give_empty_pipes(struct exchange *x)
{
	if (!x->trip.up_pipe.held)
		trip_give_pipe(x->worker, &x->trip.up_pipe);
	if (!x->reply.down_pipe.held)
		trip_give_pipe(x->worker, &x->reply.down_pipe);
}

/* The whole answer has been sent. */
static bool is_finished(const struct exchange *x)
{
	const struct client *c = x->client;

	return x->reply.answer_began && x->reply.down.is_done && !x->reply.down_pipe.held &&
	       outbox_is_empty(&c->out) &&
	       (!x->trip.is_tunnel || x->trip.up.is_done || x->trip.upstream->is_deaf);
}

static enum step finish_relay(struct exchange *x)
{
	trip_drop_upstream(x, x->trip.can_reuse && x->trip.up.is_done && !relay_up_waits(x));
	return STEP_END;
}

/* --- deadlines of the client --- */

static enum client_owes owed_by_client(const struct exchange *x)
{
	const struct client *c = x->client;

	if (c->out.is_blocked || !outbox_is_empty(&c->out) || x->reply.down_pipe.held)
		return CLIENT_TAKES;
	if (x->trip.is_tunnel)
		return x->trip.up.is_done || x->reply.down.is_done ? CLIENT_ENDS : CLIENT_FREE;
	if (x->trip.up.is_done)
		return c->in.saw_eof ? CLIENT_STAYS : CLIENT_FREE;
	if (relay_up_waits(x) || x->trip.upstream->is_deaf)
		return CLIENT_FREE;
	return x->trip.awaits_continue ? CLIENT_IS_TOLD : CLIENT_SENDS;
}

/* Movement on one side does not excuse the other: a deadline is put off only by what it waits
 * for. */
static void update_client_deadline(struct exchange *x)
{
	enum client_owes owes = owed_by_client(x);
	bool moved = (x->reply.client_took && owes != CLIENT_SENDS) ||
		     (x->reply.client_gave && owes != CLIENT_TAKES && owes != CLIENT_STAYS);

	if (owes != x->reply.pace.owes || (moved && owes != CLIENT_FREE))
		pace_await(x, owes);
	x->reply.client_took = x->reply.client_gave = false;
}

static enum step tell_to_continue(struct exchange *x)
{
	x->trip.awaits_continue = false;
	x->client->in.can_read = true;
	client_head(x->client, STR("HTTP/1.1 100 Continue\r\n\r\n"), false);
	return reply_send(x);
}

static enum step on_client_time(struct exchange *x)
{
	if (!pace_check(x))
		return WAIT;
	switch (x->reply.pace.owes) {
	case CLIENT_FREE:
		break;
	case CLIENT_TAKES:
		return exchange_cut(x, ERROR_WRITE_TIMEOUT);
	case CLIENT_SENDS:
		return exchange_fail(x, ERROR_REQUEST_TIMEOUT, STR_EMPTY);
	case CLIENT_IS_TOLD:
		return tell_to_continue(x);
	case CLIENT_ENDS:
		return exchange_cut(x, ERROR_NONE);
	case CLIENT_STAYS:
		return exchange_cut(x, ERROR_CLIENT_GONE);
	}
	return WAIT;
}

/* --- deadlines of the tenant --- */

/* One slow answer is none of our business; when nothing is answered at all, the supervisor has a
 * look. */
static enum step fail_late(struct exchange *x, enum error error)
{
	struct shared *shared = x->worker->shared;
	uint32_t max = x->wish.conf ? (uint32_t)x->wish.conf->app->max_timeouts : 0;
	uint32_t n;

	if (x->trip.peer.is)
		return exchange_fail(x, error, STR_EMPTY);
	n = atomic_fetch_add(&exchange_slot(x)->timeouts, 1) + 1;
	if (max && n % max == 0)
		shared->ops->stuck(shared, x->trip.tenant->slot);
	return exchange_fail(x, error, STR_EMPTY);
}

/* WAIT: the other machine lives, and has time left. */
static enum step look_at_peer(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;
	msec now = loop_now(x->worker->loop);

	if (socket_is_lost(u->watch.fd, RELAY_LOOK)) {
		if (x->reply.answer_began)
			return exchange_cut(x, ERROR_TRUNCATED);
		return relay_upstream_failed(x, ERROR_UPSTREAM_CLOSED);
	}
	if (now >= x->trip.peer.until)
		return GO;
	upstream_deadline(u, now + RELAY_LOOK);
	return WAIT;
}

static enum step on_tenant_time(struct exchange *x)
{
	struct upstream *u = x->trip.upstream;
	bool reads = relay_up_waits(x) && socket_unsent(u->watch.fd) < u->unsent;

	if (!reads && (x->trip.up.is_done || relay_up_waits(x) || u->is_deaf))
		return fail_late(x, ERROR_RESPONSE_TIMEOUT);
	relay_set_deadline(
		x); /* it reads, if slowly; or it is the client that we are waiting for */
	return WAIT;
}

static enum step on_upstream_time(struct exchange *x)
{
	enum step next = GO;

	if (x->trip.upstream->is_connecting)
		return x->trip.peer.is ? relay_upstream_failed(x, ERROR_CONNECT_FAILED)
				       : fail_late(x, ERROR_CONNECT_FAILED);
	if (x->trip.peer.is)
		next = look_at_peer(x);
	return next == GO ? on_tenant_time(x) : next;
}

/* --- towards the tenant --- */

/* The tenant does not take any more.  It may have answered before it went: that is read first, and
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
	size_t offered = x->worker->scratch.gather.bytes;

	if (outbox_send(&u->out, u->watch.fd, &x->worker->scratch.gather) < 0)
		return turn_deaf(x);
	if (buf_len(&u->out.waiting) < offered)
		u->is_connecting = false;
	relay_set_deadline(x);
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
	relay_set_deadline(x);
	return GO;
}

static bool is_too_large(const struct exchange *x)
{
	uint64_t limit = exchange_settings(x)->max_request_body;

	return limit && !x->trip.is_tunnel && x->trip.up.bytes > limit;
}

static enum step refuse(struct exchange *x, enum error error, str why)
{
	gather_forget(&x->worker->scratch.gather);
	return exchange_fail(x, error, why);
}

/* Gathers what the client's inbox has of the body. */
static enum step feed_up(struct exchange *x)
{
	struct client *c = x->client;
	size_t used = 0;
	enum parse r = flow_feed(&x->trip.up, c->in.unread, &used, &x->worker->scratch.gather);

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

	if (!x->trip.is_tunnel || flow_end(&x->trip.up, &x->worker->scratch.gather) != PARSE_OK)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	shutdown(u->watch.fd, SHUT_WR); /* the other direction continues */
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
		relay_set_deadline(x);
	return r == SPLICED ? GO : WAIT;
}

static enum step move_up(struct exchange *x)
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

static enum step begin_up(struct exchange *x)
{
	enum step s = GO;

	gather_add(&x->worker->scratch.gather, buf_str(&x->trip.request));
	/* A refused connection is tried again: until there is one, nothing of the body may leave
	 * the inbox. */
	if (!x->trip.upstream->is_connecting && x->client->in.unread.n && !x->trip.up.is_done)
		s = feed_up(x);
	return s == GO ? send_up(x) : s;
}

/* --- turns --- */

/* The tenant is about to end, and this would not by itself. */
static enum step dismiss(struct exchange *x)
{
	if (x->reply.down.is_done)
		return WAIT;
	if (x->reply.stages) /* what is stored must not look whole */
		return exchange_cut(x, ERROR_DISMISSED);
	x->reply.keep_alive &= x->trip.up.is_done;
	x->client->is_hurried = true;
	if (x->trip.is_websocket && websocket_may_speak(&x->reply.frames))
		gather_add(&x->worker->scratch.gather, WEBSOCKET_GOING_AWAY);
	flow_finish(&x->reply.down, &x->worker->scratch.gather);
	if (exchange_send(x) < 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	respond_tell_end(x);
	trip_end(x);
	x->reply.pace = (struct pace){0};
	return STEP_ANSWER;
}

/* What there is to do besides moving bytes.  GO: they may be moved. */
static enum step look_at_events(struct exchange *x, unsigned events)
{
	enum step next = WAIT;

	if (events & EVENT_DISMISS)
		next = dismiss(x);
	if (next <= WAIT && events & EVENT_UPSTREAM_TIME)
		next = on_upstream_time(x);
	if (next <= WAIT && events & EVENT_CLIENT_TIME)
		next = on_client_time(x);
	if (next == WAIT && events & EVENTS_OF_BYTES)
		next = GO;
	return next;
}

static enum step begin_relay(struct exchange *x)
{
	x->trip.upstream_began = loop_usec(x->worker->loop);
	x->trip.is_begun = true;
	exchange_forget_arrival(x);
	x->reply.pace = (struct pace){0};
	return begin_up(x);
}

/* A head that has just been gathered leaves before anything else is. */
static enum step move_once(struct exchange *x, bool *ret_waits)
{
	enum step up = x->reply.is_head_new ? GO : move_up(x), down;

	if (up > WAIT)
		return up;
	down = reply_move(x);
	if (down > WAIT)
		return down;
	*ret_waits = up == WAIT && down == WAIT;
	return is_finished(x) ? finish_relay(x) : GO;
}

static enum step move(struct exchange *x)
{
	bool waits = false;

	for (int i = 0; i < STEPS_PER_TURN; i++) {
		enum step next = move_once(x, &waits);

		if (next > WAIT)
			return next;
		if (waits)
			return WAIT;
	}
	worker_go_on_later(x->client);
	return WAIT;
}

enum step relay_step(struct exchange *x)
{
	enum step next = GO;

	if (!x->trip.is_begun)
		next = begin_relay(x);
	else if (x->happened & ~EVENTS_OF_BYTES)
		next = look_at_events(x, x->happened);
	if (next == GO)
		next = move(x);
	else if (next == WAIT)
		return WAIT;
	if (next == WAIT) {
		give_empty_pipes(x);
		update_client_deadline(x);
		keep_unread(&x->trip.upstream->in);
	}
	return next;
}
