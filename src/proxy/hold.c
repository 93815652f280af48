/* hold.c - a request waits for its tenant: bounded in number and time, and a person who waits sees
 * why. */
/* SPDX-License-Identifier: MIT */
#include "base/budget.h"
#include "http/date.h"
#include "proxy/caching.h"
#include "proxy/exchange_int.h"
#include "proxy/proxy_int.h"
#include "proxy/shortage.h"
#include "proxy/upstream.h"
#include "proxy/waiting.h"
#include "proxy/worker.h"

/* The supervisor has the same limit, finds out why, and tells it: so long (msec) it is waited for.
 */
#define REASON_GRACE 1000

/* A refused port is tried again after this long, up to connect_timeout. */
#define REFUSED_RETRY 20
/* An idle connection that is older may be closed by the application at this moment; a request that
 * must not be sent twice gets a new one. */
#define FRESH_FOR 1500
#define HEARTBEAT 15000
/* A watcher for whom more than this waits does not look any more. */
#define WATCH_MAX 16384
/* Who waits for a start that is stopped waits for the next one.  Whose starts are stopped again and
 * again would wait for ever: this long at least, and then the next stop ends it. */
#define STOPS_MAX  2
#define STOPS_TIME 10000

static str reason_of(const struct exchange *x)
{
	return x->tenant->reason ? str_of(x->tenant->reason) : STR_EMPTY;
}

/* Requests that a tenant may have waiting while those of others fill max_held: however many want
 * one that is slow to start, the others can be woken. */
static size_t held_share(const struct server_conf *server)
{
	size_t quarter = MAX((size_t)server->max_held / 4, (size_t)1);

	return MIN((size_t)server->held_per_tenant, quarter);
}

static void uncount(struct exchange *x)
{
	proxy_hold_leave(x->worker->proxy);
	atomic_fetch_sub(&exchange_slot(x)->held, 1);
}

/* Counted first and then looked at: so no thread passes a limit together with another. */
static bool count(struct exchange *x)
{
	const struct server_conf *server = exchange_settings(x);
	size_t all = proxy_hold_enter(x->worker->proxy),
	       its = atomic_fetch_add(&exchange_slot(x)->held, 1);

	if (!server->max_held || all < (size_t)server->max_held || its < held_share(server))
		return true;
	uncount(x);
	return false;
}

/* Both limits are behind it: whom it has to thank. */
static void refuse(struct exchange *x)
{
	uint64_t its = atomic_load(&exchange_slot(x)->held);

	exchange_fail(x, ERROR_TOO_MANY_HELD,
		str_of(arena_printf(&x->arena,
			"%lld requests wait already (max_held), %llu of them for this application.",
			(long long)exchange_settings(x)->max_held, (unsigned long long)its)));
}

void hold_leave(struct exchange *x)
{
	x->state = EXCHANGE_ROUTED;
	list_remove(&x->link);
	uncount(x);
	x->record.wake_ms = (int64_t)((clock_usec() - x->held_since) / 1000);
	client_deadline(x->client, MSEC_NEVER);
}

static void set_deadline(struct exchange *x)
{
	client_deadline(x->client, MIN(x->held_until, MIN(x->page_at, x->retry_at)));
}

/* Places on the scoreboard are used again: what was meant for a tenant that has been removed must
 * not go to the one that has its place now. */
static bool is_in_configuration(const struct exchange *x)
{
	return slot_is_of(exchange_slot(x), x->tenant->owner);
}

static void hold(struct exchange *x, msec retry_at)
{
	struct worker *w = x->worker;
	const struct app_conf *app = x->conf->app;
	msec now = loop_now(w->loop);

	if (w->is_draining) {
		exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
		return;
	}
	/* It may only have said all, but a start takes long, and most of them have gone. */
	if (x->client->in.saw_eof) {
		exchange_abort(x, ERROR_CLIENT_GONE);
		return;
	}
	if (budget_is_over()) {
		exchange_fail(x, ERROR_CROWDED, STR_EMPTY);
		return;
	}
	if (!count(x)) {
		refuse(x);
		return;
	}
	if (!x->held_since) {
		x->held_since = clock_usec();
		x->stops = 0;
		x->held_until =
			msec_limit(now, app->start_timeout ? app->start_timeout + REASON_GRACE : 0);
		x->page_at = x->wants_page && app->waiting_page_after
				     ? now + app->waiting_page_after
				     : MSEC_NEVER;
	}
	x->retry_at = retry_at;
	if (retry_at == MSEC_NEVER)
		x->connect_until = 0; /* of the next copy */
	if (x->tenant->is_former) {   /* it was removed meanwhile, and came back */
		worker_leave_tenant(x->tenant);
		x->tenant = worker_tenant(w, x->conf);
	}
	x->state = EXCHANGE_HELD;
	list_remove(&x->link);
	list_append(&x->tenant->held, &x->link);
	set_deadline(x);
	if (retry_at == MSEC_NEVER)
		worker_wake(w, x->tenant);
}

/* A tenant that failed is not tried again before its time. */
static bool has_failed(const struct exchange *x)
{
	return exchange_tenant_state(x) == TENANT_FAILED &&
	       atomic_load(&exchange_slot(x)->retry_at) > loop_now(x->worker->loop);
}

static void connect_tenant(struct exchange *x)
{
	struct worker *w = x->worker;
	bool may_repeat = method_is_idempotent(x->method) && x->up.is_done;
	msec now = loop_now(w->loop), connect_timeout = exchange_settings(x)->connect_timeout;
	struct upstream *u;

	if (!x->connect_until)
		x->connect_until = msec_limit(now, connect_timeout);
	u = x->is_retried ? NULL
			  : upstream_take(w, x->tenant,
				    may_repeat || now < FRESH_FOR ? 0 : now - FRESH_FOR);
	if (!u) {
		int r = upstream_connect(w, x->tenant, &u);

		if (r == -EMFILE || r == -ENFILE)
			shortage_make_room_later(w); /* and then it is tried again */
		if (r < 0) {
			hold_refused(x);
			return;
		}
	}
	u->exchange = x;
	x->upstream = u;
	x->state = EXCHANGE_RELAYING;
	relay_start(x);
}

void hold_want_tenant(struct exchange *x)
{
	struct slot *slot = exchange_slot(x);

	if (!is_in_configuration(x)) {
		exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
		return;
	}
	if (caching_waits(x))
		return;
	if (!slot_enter(slot, x->conf->owner)) {
		if (has_failed(x))
			exchange_fail(x, ERROR_START_FAILED, reason_of(x));
		else
			hold(x, MSEC_NEVER);
		return;
	}
	x->is_counted = true;
	if (!x->was_here) /* it may come more than once: held, refused, sent again */
		atomic_fetch_add_explicit(&slot->requests, 1, memory_order_relaxed);
	x->was_here = true;
	connect_tenant(x);
}

void hold_refused(struct exchange *x)
{
	msec now = loop_now(x->worker->loop);

	exchange_drop_upstream(x, false);
	exchange_leave_tenant(x);
	if (now >= x->connect_until)
		exchange_fail(x, ERROR_CONNECT_FAILED, STR_EMPTY);
	else
		hold(x, now + REFUSED_RETRY);
}

static void show_page(struct exchange *x)
{
	struct worker *w = x->worker;
	struct waiting_in in = {
		.name = x->conf->id,
		.prefix = x->conf->prefix,
		.state = exchange_tenant_state(x),
		.reason = reason_of(x),
		.waited = (clock_usec() - x->held_since) / 1000,
		.minor = x->minor,
		.is_head = x->method == METHOD_HEAD,
		.keep_alive = x->keep_alive && x->up.is_done && !w->is_draining,
		.request_id = x->record.request_id,
		.date = exchange_date(),
	};

	buf_clear(&w->head_out);
	waiting_page(&w->head_out, &in);
	exchange_answer(x, 503, in.keep_alive);
}

void hold_on_time(struct exchange *x)
{
	msec now = loop_now(x->worker->loop);

	if (now >= x->held_until) {
		exchange_fail(x, ERROR_START_TIMEOUT, STR_EMPTY);
	} else if (now >= x->retry_at) {
		hold_leave(x);
		hold_want_tenant(x);
	} else if (now >= x->page_at) {
		show_page(x);
	} else {
		set_deadline(x);
	}
}

/* Sends the gather.  False for one who does not read what was sent earlier: he is not waited for.
 */
static bool send_watcher(struct exchange *x)
{
	struct client *c = x->client;

	if (client_send(c) == 0 && buf_len(&c->out.waiting) <= WATCH_MAX &&
		!(c->is_framed && c->out.is_blocked))
		return true;
	exchange_abort(x, ERROR_CLIENT_GONE);
	return false;
}

static bool send_event(struct exchange *x, enum tenant_state state)
{
	struct worker *w = x->worker;
	msec now = loop_now(w->loop), since = atomic_load(&exchange_slot(x)->since);

	buf_clear(&w->head_out);
	waiting_event(&w->head_out, state, now > since ? now - since : 0, reason_of(x));
	gather_add(&w->gather, buf_str(&w->head_out));
	return send_watcher(x);
}

static void watch_state(struct exchange *x, enum tenant_state state)
{
	struct worker *w = x->worker;

	if (!send_event(x, state))
		return;
	if (state == TENANT_RUNNING || state == TENANT_FAILED) {
		exchange_finish_answer(x);
		return;
	}
	list_remove(&x->link);
	list_append(&x->tenant->watched, &x->link);
	client_deadline(x->client, loop_now(w->loop) + HEARTBEAT);
	worker_wake(w, x->tenant);
}

void hold_watch(struct exchange *x)
{
	struct worker *w = x->worker;

	x->state = EXCHANGE_WATCHING;
	x->answer_began = true;
	x->keep_alive = false;
	x->record.status = 200;
	buf_clear(&w->head_out);
	waiting_events_head(&w->head_out, exchange_date());
	client_head(x->client, buf_str(&w->head_out), true);
	if (client_send(x->client) < 0) {
		exchange_abort(x, ERROR_CLIENT_GONE);
		return;
	}
	watch_state(x, exchange_tenant_state(x));
}

void hold_watch_on_time(struct exchange *x)
{
	gather_add(&x->worker->gather, WAITING_HEARTBEAT);
	if (send_watcher(x))
		client_deadline(x->client, loop_now(x->worker->loop) + HEARTBEAT);
}

void exchange_give_up(struct exchange *x)
{
	if (x->state == EXCHANGE_HELD) {
		exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
		return;
	}
	list_remove(&x->link);
	exchange_finish_answer(x);
}

void exchange_view_changed(struct exchange *x)
{
	if (is_in_configuration(x))
		worker_wake(x->worker, x->tenant); /* an earlier one may have met no tenant */
	else if (x->state == EXCHANGE_HELD)
		exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
	else
		exchange_give_up(x);
}

static bool is_stopped_for_good(const struct exchange *x)
{
	return x->stops >= STOPS_MAX && clock_usec() - x->held_since >= STOPS_TIME * 1000;
}

void exchange_tenant_changed(struct exchange *x, enum tenant_state state)
{
	if (x->state == EXCHANGE_WATCHING) {
		watch_state(x, state);
		return;
	}
	list_append(&x->tenant->held, &x->link); /* where hold_leave expects it */
	if (state == TENANT_RUNNING) {
		hold_leave(x);
		hold_want_tenant(x);
	} else if (has_failed(x)) {
		exchange_fail(x, ERROR_START_FAILED, reason_of(x));
	} else if (is_stopped_for_good(x)) {
		exchange_fail(x, ERROR_STOPPED, STR_EMPTY);
	} else {
		x->retry_at = MSEC_NEVER;
		set_deadline(x);
		worker_wake(x->worker, x->tenant);
	}
}
