/* held.c - the limits, the clock and the events of requests that are held. */
/* SPDX-License-Identifier: MIT */
#include "proxy/held.h"

#include "base/budget.h"
#include "proxy/exchange_int.h"
#include "proxy/own_reply.h"
#include "proxy/shared.h"
#include "proxy/waiting.h"
#include "proxy/wall.h"

/* The supervisor has the same limit, finds out the reason and reports it; the proxy waits this much
 * longer (msec) for that. */
#define REASON_GRACE 1000
/* A request whose tenant's start is stopped waits for the next start.  If starts were stopped again
 * and again it would wait forever: after this long, the next stop ends it. */
#define STOPS_MAX  2
#define STOPS_TIME 10000

str held_reason(const struct exchange *x)
{
	return x->trip.tenant->reason ? str_of(x->trip.tenant->reason) : STR_EMPTY;
}

bool held_is_hopeless(const struct exchange *x)
{
	return exchange_tenant_state(x) == TENANT_FAILED &&
	       atomic_load(&exchange_slot(x)->retry_at) > loop_now(x->worker->loop);
}

size_t held_share(const struct server_conf *server)
{
	size_t quarter = MAX((size_t)server->max_held / 4, (size_t)1);

	return MIN((size_t)server->held_per_tenant, quarter);
}

static void uncount(struct exchange *x)
{
	atomic_fetch_sub(&x->worker->shared->nheld, 1);
	atomic_fetch_sub(&exchange_slot(x)->held, 1);
}

/* Counts first and looks afterwards, so that two threads cannot pass a limit together. */
static bool count_held(struct exchange *x)
{
	const struct server_conf *server = exchange_settings(x);
	size_t all = atomic_fetch_add(&x->worker->shared->nheld, 1),
	       its = atomic_fetch_add(&exchange_slot(x)->held, 1);

	if (!server->max_held || all < (size_t)server->max_held || its < held_share(server))
		return true;
	uncount(x);
	return false;
}

/* Both numbers go into it, so that one sees which limit it was. */
static enum step refuse_held(struct exchange *x)
{
	uint64_t its = atomic_load(&exchange_slot(x)->held);

	return exchange_fail(x, ERROR_TOO_MANY_HELD,
		str_of(arena_printf(&x->arena,
			"%lld requests wait already (max_held), %llu of them for this application.",
			(long long)exchange_settings(x)->max_held, (unsigned long long)its)));
}

static void set_held_limits(struct exchange *x)
{
	const struct app_conf *app = x->wish.conf->app;
	msec now = loop_now(x->worker->loop);

	if (x->trip.held_since)
		return; /* it comes back */
	x->trip.held_since = clock_usec();
	x->trip.stops = 0;
	x->trip.held_until =
		msec_limit(now, app->start_timeout ? app->start_timeout + REASON_GRACE : 0);
	x->trip.page_at = x->wish.wants_page && app->waiting_page_after
				  ? now + app->waiting_page_after
				  : MSEC_NEVER;
}

enum step held_begin(struct exchange *x, msec retry_at)
{
	if (x->worker->is_draining)
		return exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
	/* It may only have sent everything, but a start takes long, and most such clients have
	 * gone. */
	if (x->client->in.saw_eof)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (budget_is_over())
		return exchange_fail(x, ERROR_CROWDED, STR_EMPTY);
	if (exchange_has_moved(x))
		return exchange_fail(x, ERROR_MOVED, STR_EMPTY);
	if (!count_held(x))
		return refuse_held(x);
	set_held_limits(x);
	x->trip.retry_at = retry_at;
	if (retry_at == MSEC_NEVER)
		x->trip.connect_until = 0; /* of the next copy */
	return STEP_HOLD;
}

static void set_held_deadline(struct exchange *x)
{
	client_deadline(x->client, MIN(x->trip.held_until, MIN(x->trip.page_at, x->trip.retry_at)));
}

void held_enter(struct exchange *x)
{
	struct worker *w = x->worker;

	if (x->trip.tenant->is_former) { /* it was removed meanwhile, and came back */
		worker_leave_tenant(x->trip.tenant);
		x->trip.tenant = worker_tenant(w, x->wish.conf);
	}
	list_append(&x->trip.tenant->held, &x->link);
	set_held_deadline(x);
	if (x->trip.retry_at == MSEC_NEVER)
		worker_wake(w, x->trip.tenant);
}

void held_leave(struct exchange *x)
{
	list_remove(&x->link);
	uncount(x);
	x->record.wake_ms = (int64_t)((clock_usec() - x->trip.held_since) / 1000);
	client_deadline(x->client, MSEC_NEVER);
}

static enum step show_page(struct exchange *x)
{
	struct worker *w = x->worker;
	struct waiting_in in = {
		.name = x->wish.conf->id,
		.prefix = x->wish.conf->prefix,
		.state = exchange_tenant_state(x),
		.reason = held_reason(x),
		.waited = (clock_usec() - x->trip.held_since) / 1000,
		.minor = x->wish.minor,
		.is_head = x->wish.method == METHOD_HEAD,
		.keep_alive = exchange_keeps_alive(x),
		.request_id = x->record.request_id,
		.date = wall_date(),
	};

	waiting_page(scratch_lend(&w->scratch.head_out), &in);
	return own_reply_give(x, 503, in.keep_alive);
}

static enum step on_held_time(struct exchange *x)
{
	msec now = loop_now(x->worker->loop);

	if (now >= x->trip.held_until)
		return exchange_fail(x, ERROR_START_TIMEOUT, STR_EMPTY);
	if (now >= x->trip.retry_at)
		return STEP_JOIN;
	if (now >= x->trip.page_at)
		return show_page(x);
	set_held_deadline(x);
	return WAIT;
}

static bool is_stopped_for_good(const struct exchange *x)
{
	return x->trip.stops >= STOPS_MAX && clock_usec() - x->trip.held_since >= STOPS_TIME * 1000;
}

static enum step on_state(struct exchange *x)
{
	if (state_serves(x->trip.told))
		return STEP_JOIN;
	if (held_is_hopeless(x))
		return exchange_fail(x, ERROR_START_FAILED, held_reason(x));
	if (is_stopped_for_good(x))
		return exchange_fail(x, ERROR_STOPPED, STR_EMPTY);
	x->trip.retry_at = MSEC_NEVER;
	set_held_deadline(x);
	worker_wake(x->worker, x->trip.tenant);
	return WAIT;
}

static enum step on_view(struct exchange *x)
{
	if (!exchange_has_tenant(x))
		return exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
	if (exchange_has_moved(x))
		return exchange_fail(x, ERROR_MOVED, STR_EMPTY);
	worker_wake(x->worker, x->trip.tenant); /* an earlier one may not have found a tenant */
	return WAIT;
}

enum step held_step(struct exchange *x)
{
	unsigned events = x->happened;
	enum step next = WAIT;

	if (events & EVENT_CLIENT_EOF)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (events & EVENT_GIVE_UP)
		return exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
	if (events & EVENT_VIEW)
		next = on_view(x);
	if (next == WAIT && events & EVENT_STATE)
		next = on_state(x);
	if (next == WAIT && events & EVENT_CLIENT_TIME)
		next = on_held_time(x);
	return next;
}
