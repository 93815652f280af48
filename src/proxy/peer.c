/* peer.c - sends a request to another machine: now, or once that can be reached. */
/* SPDX-License-Identifier: MIT */
#include "proxy/peer.h"

#include "base/budget.h"
#include "proxy/exchange_int.h"
#include "proxy/forward.h"
#include "proxy/held.h"
#include "proxy/hop.h"
#include "proxy/presence.h"
#include "proxy/shared.h"
#include "proxy/wall.h"
#include "proxy/worker_peers.h"

/* The supervisor has the same limit, and knows the reason. */
#define REASON_GRACE 1000

static void write_head(struct exchange *x, str machine, str hop)
{
	const struct server_conf *server = exchange_settings(x);
	const struct arrival *a = x->wish.arrival;
	struct forward_in in = {
		.head = a->head,
		.remote = &a->remote,
		.request_id = x->record.request_id,
		.now = wall_exact(),
		.keeps_forwarded = server->forward_headers,
		.keeps_underscores = server->underscores_in_headers,
		.keeps_expect = a->head->expects_continue,
		.machine = machine,
		.hop = hop,
	};

	in.fields = arena_alloc(
		&x->arena, (a->head->nheaders + FORWARD_ADDED_MAX) * sizeof(*in.fields));
	buf_clear(&x->trip.request);
	forward_head(&x->trip.request, &in);
}

enum step peer_begin(struct exchange *x, str machine)
{
	const struct server_conf *server = exchange_settings(x);
	const struct request_head *head = x->wish.arrival->head;
	const struct route *route = &x->wish.arrival->route;
	str hop = hop_write(x);

	presence_begin(x);
	x->record.machine = arena_dup(&x->arena, machine);
	if (route->tenant)
		x->record.tenant = route->tenant->id;
	if (!hop.n)
		return exchange_fail(x, ERROR_MISDIRECTED, STR_EMPTY);
	if (server->max_request_body && head->content_length > server->max_request_body)
		return exchange_fail(x, ERROR_BODY_TOO_LARGE, STR_EMPTY);
	x->trip.peer.is = worker_peer(x->worker, machine);
	x->wish.wants_upgrade = forward_is_upgrade(head);
	x->trip.awaits_continue = head->expects_continue;
	write_head(x, machine, hop);
	return STEP_PEER;
}

/* --- the connection --- */

static enum step wait_for_peer(struct exchange *x);

/* Nothing was sent.  It may have gone to sleep, or is being started again. */
static enum step miss_peer(struct exchange *x)
{
	const struct upstream *u = x->trip.upstream;
	bool was_there = u && !u->is_connecting;

	x->trip.is_refused = false;
	trip_end(x);
	worker_peer_failed(x->trip.peer.is, was_there);
	worker_reach(x->trip.peer.is);
	return wait_for_peer(x);
}

static enum step dial(struct exchange *x)
{
	struct worker *w = x->worker;
	struct origin *o = &x->trip.peer.is->origin;
	struct upstream *u = NULL;
	int r = 0;

	x->trip.connect_until = msec_limit(loop_now(w->loop), o->limits->connect);
	if (!x->trip.is_retried)
		u = upstream_take(o, method_is_idempotent(x->wish.method) && x->trip.up.is_done);
	if (!u)
		r = upstream_connect(o, &u);
	if (r == -EMFILE || r == -ENFILE)
		w->shortage.wants_descriptors = true; /* and then it tries again */
	if (r < 0)
		return miss_peer(x);
	u->exchange = x;
	x->trip.upstream = u;
	x->trip.is_begun = false;
	x->trip.peer.until = 0;
	return STEP_RELAY;
}

static bool may_dial(const struct exchange *x)
{
	const struct worker_peer *p = x->trip.peer.is;

	return worker_peer_is_there(p) && loop_now(x->worker->loop) >= p->again;
}

enum step peer_step(struct exchange *x)
{
	const struct worker_peer *p = x->trip.peer.is;

	if (x->trip.is_refused)
		return miss_peer(x);
	if (worker_peer_is_lost(p))
		return exchange_fail(
			x, ERROR_CONNECT_FAILED, p->reason ? str_of(p->reason) : STR_EMPTY);
	return may_dial(x) ? dial(x) : wait_for_peer(x);
}

/* A body that has begun cannot be sent again. */
bool peer_is_another(struct exchange *x, const struct response_head *h)
{
	const struct header *token =
		header_find_name(h->headers, h->nheaders, STR("Fly-Atc-Error"));

	if (h->status != 421 || !token || !str_eq(token->value, error_token(ERROR_MISDIRECTED)) ||
		!x->trip.up.is_done || x->trip.up.bytes)
		return false;
	x->trip.is_refused = true;
	return true;
}

/* --- waiting --- */

static size_t count_waiting(struct exchange *x, size_t *ret_its)
{
	*ret_its = x->trip.peer.is->nheld;
	return shared_count(&x->worker->shared->nheld);
}

/* As for a tenant that sleeps (held.c); the share is that of each thread, which is enough for a
 * limit. */
static bool has_room(struct exchange *x)
{
	const struct server_conf *server = exchange_settings(x);
	size_t its, all = count_waiting(x, &its);

	return !server->max_held || all < (size_t)server->max_held || its < held_share(server);
}

static void set_limit(struct exchange *x)
{
	msec start = x->view->conf->app.start_timeout;

	if (x->trip.held_since)
		return; /* it comes back */
	x->trip.held_since = clock_usec();
	x->trip.held_until =
		msec_limit(loop_now(x->worker->loop), start ? start + REASON_GRACE : 0);
}

static enum step wait_for_peer(struct exchange *x)
{
	const struct worker_peer *p = x->trip.peer.is;

	if (x->worker->is_draining)
		return exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
	if (x->client->in.saw_eof)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (budget_is_over())
		return exchange_fail(x, ERROR_CROWDED, STR_EMPTY);
	set_limit(x);
	if (loop_now(x->worker->loop) >= x->trip.held_until)
		return exchange_fail(x, ERROR_CONNECT_FAILED,
			p->reason ? str_of(p->reason) : STR("it takes no connections"));
	if (!has_room(x))
		return exchange_fail(x, ERROR_TOO_MANY_HELD,
			str_of(arena_printf(&x->arena, "%zu requests wait for machine " STR_FMT ".",
				p->nheld, STR_ARG(x->record.machine))));
	return STEP_REACH;
}

static void set_deadline(struct exchange *x)
{
	const struct worker_peer *p = x->trip.peer.is;

	/* What was asked for is told when there is something to tell. */
	client_deadline(
		x->client, p->asked ? x->trip.held_until : MIN(x->trip.held_until, p->again));
}

void peer_wait_enter(struct exchange *x)
{
	struct worker_peer *p = x->trip.peer.is;

	atomic_fetch_add(&x->worker->shared->nheld, 1);
	p->nheld++;
	list_append(&p->held, &x->link);
	if (!worker_peer_is_there(p))
		worker_reach(p);
	set_deadline(x);
}

void peer_wait_leave(struct exchange *x)
{
	list_remove(&x->link);
	x->trip.peer.is->nheld--;
	atomic_fetch_sub(&x->worker->shared->nheld, 1);
	x->record.wake_ms = (int64_t)((clock_usec() - x->trip.held_since) / 1000);
	client_deadline(x->client, MSEC_NEVER);
}

enum step peer_wait(struct exchange *x)
{
	unsigned events = x->happened;

	if (events & EVENT_CLIENT_EOF)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (events & EVENT_GIVE_UP)
		return exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
	if (events & EVENT_CLIENT_TIME || may_dial(x) || worker_peer_is_lost(x->trip.peer.is))
		return STEP_PEER; /* perhaps to come back */
	if (events & EVENT_STATE)
		set_deadline(x);
	return WAIT;
}
