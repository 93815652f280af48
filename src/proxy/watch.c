/* watch.c - the events of a waiting page. */
/* SPDX-License-Identifier: MIT */
#include "proxy/watch.h"

#include "proxy/exchange_int.h"
#include "proxy/held.h"
#include "proxy/waiting.h"
#include "proxy/wall.h"

#define HEARTBEAT 15000
/* A watcher that has more than this unread is no longer looking. */
#define WATCH_MAX 16384

/* The tenant's news reaches the watchers on its list. */
void watch_enter(struct exchange *x)
{
	list_append(&x->trip.tenant->watched, &x->link);
}

void watch_leave(struct exchange *x)
{
	list_remove(&x->link);
}

/* Sends the gather.  A watcher that has not read what was sent earlier is not waited for. */
static enum step send_on(struct exchange *x)
{
	struct client *c = x->client;

	if (exchange_send(x) == 0 && buf_len(&c->out.waiting) <= WATCH_MAX &&
		!(c->is_framed && c->out.is_blocked))
		return WAIT;
	return exchange_cut(x, ERROR_CLIENT_GONE);
}

static void set_heartbeat(struct exchange *x)
{
	client_deadline(x->client, loop_now(x->worker->loop) + HEARTBEAT);
}

static enum step tell_state(struct exchange *x, enum tenant_state state)
{
	struct worker *w = x->worker;
	msec now = loop_now(w->loop), since = atomic_load(&exchange_slot(x)->since);
	enum step next;

	waiting_event(scratch_lend(&w->scratch.head_out), state, now > since ? now - since : 0,
		held_reason(x));
	gather_add(&w->scratch.gather, buf_str(&w->scratch.head_out.text));
	next = send_on(x);
	if (next != WAIT)
		return next;
	if (state_serves(state) || state == TENANT_FAILED)
		return STEP_ANSWER;
	set_heartbeat(x);
	worker_wake(w, x->trip.tenant);
	return WAIT;
}

static enum step begin_events(struct exchange *x)
{
	struct worker *w = x->worker;

	x->reply.answer_began = true;
	x->reply.keep_alive = false;
	x->record.status = 200;
	waiting_events_head(scratch_lend(&w->scratch.head_out), wall_date());
	client_head(x->client, buf_str(&w->scratch.head_out.text), true);
	if (exchange_send(x) < 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	return tell_state(x, exchange_tenant_state(x));
}

static enum step on_view(struct exchange *x)
{
	if (!exchange_has_tenant(x) || exchange_has_moved(x))
		return STEP_ANSWER;
	worker_wake(x->worker, x->trip.tenant); /* an earlier one may not have found a tenant */
	return WAIT;
}

static enum step on_heartbeat_time(struct exchange *x)
{
	enum step next;

	gather_add(&x->worker->scratch.gather, WAITING_HEARTBEAT);
	next = send_on(x);
	if (next == WAIT)
		set_heartbeat(x);
	return next;
}

static enum step on_client(struct exchange *x)
{
	if (x->happened & EVENT_CLIENT_EOF || client_flush(x->client) < 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	return WAIT;
}

enum step watch_step(struct exchange *x)
{
	unsigned events = x->happened;
	enum step next = WAIT;

	if (!x->reply.answer_began)
		return begin_events(x);
	if (events & EVENT_GIVE_UP)
		return STEP_ANSWER;
	if (events & EVENT_CLIENT)
		next = on_client(x);
	if (next == WAIT && events & EVENT_VIEW)
		next = on_view(x);
	if (next == WAIT && events & EVENT_STATE)
		next = tell_state(x, x->trip.told);
	if (next == WAIT && events & EVENT_CLIENT_TIME)
		next = on_heartbeat_time(x);
	return next;
}
