/* exchange.c - an exchange goes from step to step, and ends. */
/* SPDX-License-Identifier: MIT */
#include "proxy/exchange.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/crash.h"
#include "base/probe.h"
#include "proxy/caching.h"
#include "proxy/exchange_int.h"
#include "proxy/held.h"
#include "proxy/peer.h"
#include "proxy/presence.h"
#include "proxy/shared.h"
#include "proxy/respond.h"
#include "proxy/seeking.h"
#include "proxy/sendfile.h"
#include "proxy/watch.h"
#include "proxy/worker_peers.h"

#define FREE_EXCHANGES_MAX 256
/* Counted in the budget: with its heads and what else its arena holds, roughly. */
#define EXCHANGE_COST (sizeof(struct exchange) + 4096)

static void run_exchange(struct exchange *x);

static struct exchange *exchange_new(struct client *c)
{
	struct worker *w = c->worker;
	struct exchange *x;

	if (list_is_empty(&w->exchanges.free)) {
		x = xcalloc(1, sizeof(*x));
	} else {
		struct arena arena;
		struct buf request;

		x = list_first(&w->exchanges.free, struct exchange, link);
		list_remove(&x->link);
		w->exchanges.nfree--;
		arena = x->arena;
		request = x->trip.request;
		memory_clear(x, sizeof(*x));
		x->arena = arena;
		x->trip.request = request;
	}
	MAGIC_BEGIN(x, EXCHANGE_MAGIC);
	budget_take(EXCHANGE_COST);
	list_init(&x->link);
	list_init(&x->woken);
	x->run = run_exchange;
	x->worker = w;
	x->client = c;
	x->view = view_ref(w->view);
	x->began = loop_usec(w->loop);
	x->record.upstream_ms = x->record.wake_ms = ACCESS_UNKNOWN;
	c->exchange = x;
	c->is_hurried = false;
	return x;
}

static void on_exchange_gone(void *arg)
{
	struct exchange *x = arg;

	MAGIC_END(x, EXCHANGE_MAGIC);
	free(x);
}

static void exchange_free(struct exchange *x)
{
	struct worker *w = x->worker;

	assert(w->exchanges.running != x);
	budget_give(EXCHANGE_COST);
	list_remove(&x->link);
	if (!list_is_empty(&w->exchanges.woken))
		list_remove(&x->woken);
	worker_leave_tenant(x->trip.tenant);
	worker_leave_peer(x->trip.peer.is);
	view_unref(x->view);
	flow_done(&x->trip.up);
	flow_done(&x->reply.down);
	if (w->exchanges.nfree >= FREE_EXCHANGES_MAX) {
		arena_done(&x->arena);
		buf_done(&x->trip.request);
		loop_defer(w->loop, on_exchange_gone, x);
		return;
	}
	arena_reset(&x->arena);
	if (x->trip.request.cap > CLIENT_READ)
		buf_done(&x->trip.request);
	buf_clear(&x->trip.request);
	MAGIC_END(x, EXCHANGE_MAGIC);
	w->exchanges.nfree++;
	list_push(&w->exchanges.free, &x->link);
}

static void log_exchange(struct exchange *x)
{
	if (!x->is_logged)
		return;
	x->record.duration = (clock_usec() - x->began) / 1000;
	x->record.response_length = MAX(x->record.response_length,
		(int64_t)(x->reply.sent ? x->reply.sent : x->reply.down.bytes));
	access_log(&x->record);
}

/* --- steps --- */

#define TO(name) (1u << STEP_##name)

static enum step (*const runs[NSTEPS])(struct exchange *x) = {
#define STEP(name, run, list, next) [STEP_##name] = run,
#include "proxy/exchange.def"
};

/* A bit for each step that may follow, and one for a step that has a list. */
static const unsigned follow[NSTEPS] = {
#define HAS_LIST		    (1u << 31)
#define STEP(name, run, list, next) [STEP_##name] = (next),
#include "proxy/exchange.def"
	[GO] = TO(ROUTE) | TO(FAIL), /* it is new */
};
static_assert(NSTEPS < 32, "a bit for each step");

static const struct {
	void (*enter)(struct exchange *x);
	void (*leave)(struct exchange *x);
} lists[NSTEPS] = {
#define ALONE                                                                                      \
	{                                                                                          \
		NULL, NULL                                                                         \
	}
#define LISTED(enter, leave)                                                                       \
	{                                                                                          \
		enter, leave                                                                       \
	}
#define STEP(name, run, list, next) [STEP_##name] = list,
#include "proxy/exchange.def"
};

static const char *const names[NSTEPS] = {
	[STEP_END] = "END",
#define STEP(name, ...) [STEP_##name] = #name,
#include "proxy/exchange.def"
};

const char *exchange_describe(const void *exchange, str *ret_id)
{
	const struct exchange *x = exchange;

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	*ret_id = x->record.request_id;
	return x->step < NSTEPS && names[x->step] ? names[x->step] : "its end";
}

/* Runs step after step until one waits or the exchange ends.  Nothing else changes the step. */
static void go(struct exchange *x, enum step next)
{
	unsigned allowed = follow[x->step];

	MAGIC_CHECK(x, EXCHANGE_MAGIC); /* for all that the steps call */
	while (next != WAIT) {
		assert(allowed >> next & 1);
		if (allowed & HAS_LIST)
			lists[x->step].leave(x);
		x->step = next;
		PROBE4(exchange_step, x, names[next], x->record.request_id.p,
			x->record.request_id.n);
		allowed = follow[next];
		if (allowed & HAS_LIST)
			lists[next].enter(x);
		if (next == STEP_END)
			return;
		next = runs[next](x);
	}
	assert(allowed & TO(END)); /* its client may go */
}

/* --- the end --- */

static void let_go(struct exchange *x)
{
	if (x->wish.quota_key)
		quota_leave(&x->worker->shared->requests, x->wish.quota_key);
	trip_end(x);
	trip_give_pipe(x->worker, &x->trip.up_pipe);
	trip_give_pipe(x->worker, &x->reply.down_pipe);
	respond_done(x);
	if (x->reply.caching)
		caching_done(x);
	presence_end(x);
	log_exchange(x);
}

/* Nobody sees how it ends. */
static void note_cut(struct exchange *x)
{
	if (x->record.error == ERROR_NONE)
		x->record.error = ERROR_CLIENT_GONE;
	x->record.is_cut = x->reply.answer_began && !x->trip.is_tunnel;
}

/* Its client may begin another exchange before this returns. */
static void end_exchange(struct exchange *x)
{
	struct client *c = x->client;
	bool keep_alive = x->reply.keep_alive, is_cut = x->is_cut;
	/* A client that reads until the connection closes takes anything but a reset for the
	 * end. */
	bool is_reset =
		x->reply.framing == BODY_UNTIL_CLOSE && !x->reply.is_end_told && !x->trip.is_tunnel;

	if (is_cut)
		note_cut(x);
	let_go(x);
	exchange_free(x);
	if (!is_cut) {
		client_answered(c, keep_alive);
		return;
	}
	c->exchange = NULL;
	if (is_reset)
		client_mark_cut(c);
	client_close(c);
}

void exchange_client_gone(struct exchange *x)
{
	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	assert(!x->worker->exchanges.running);
	x->client->exchange = NULL;
	go(x, STEP_END);
	note_cut(x);
	let_go(x);
	exchange_free(x);
}

/* --- turns --- */

static enum step on_events(struct exchange *x)
{
	unsigned events = x->events;
	enum step next;

	x->events = 0;
	/* In a tunnel whose other end has finished, it may only mean that this end has, too. */
	if (events & EVENT_CLIENT_HUP && !(x->trip.is_tunnel && x->reply.down.is_done))
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (events & EVENT_SLOW)
		return exchange_fail(x, ERROR_CROWDED, STR_EMPTY);
	x->happened = events;
	next = runs[x->step](x);
	x->happened = 0;
	return next;
}

/* An exchange that was cut may have left something in the thread's scratch. */
static void forget_scratch(struct worker *w)
{
	gather_forget(&w->scratch.gather);
	gather_forget(&w->scratch.payload);
	buf_clear(&w->scratch.added);
	scratch_return(&w->scratch.head_out);
}

/* The only place where steps run and exchanges end. */
static void turn(struct exchange *x, enum step first)
{
	struct worker *w = x->worker;

	assert(!w->exchanges.running);
	w->exchanges.running = x;
	crash_work = x;
	go(x, first);
	while (x->events && x->step != STEP_END)
		go(x, on_events(x));
	w->exchanges.running = NULL;
	crash_work = NULL;
	w->files.ahead = 0;
	exchange_forget_arrival(x);
	if (x->is_cut)
		forget_scratch(w);
	assert(!w->scratch.gather.bytes && !w->scratch.head_out.is_lent);
	if (x->step == STEP_END)
		end_exchange(x);
	else
		client_keep_rest(x->client);
}

static void on_woken(void *arg)
{
	struct worker *w = arg;
	struct list all;

	MAGIC_CHECK(w, WORKER_MAGIC);
	list_take_all(&all, &w->exchanges.woken);
	while (!list_is_empty(&all))
		run_exchange(container_of(list_pop(&all), struct exchange, woken));
}

static void run_later(struct exchange *x)
{
	struct worker *w = x->worker;

	list_remove(&x->woken);
	if (list_is_empty(&w->exchanges.woken))
		loop_defer(w->loop, on_woken, w);
	list_append(&w->exchanges.woken, &x->woken);
}

/* An event.  Another exchange of the thread may be on the stack and using its scratch. */
static void run_exchange(struct exchange *x)
{
	struct worker *w = x->worker;

	if (!w->exchanges.running)
		turn(x, WAIT);
	else if (w->exchanges.running != x)
		run_later(x);
}

/* --- the beginning --- */

static struct exchange *exchange_begin_for(
	struct client *c, struct arrival *a, const struct request_head *head)
{
	struct exchange *x = exchange_new(c);

	a->remote.address = address_text(&c->peer, a->peer_text);
	a->head = head;
	x->wish.arrival = a;
	x->is_logged = exchange_settings(x)->log_requests;
	x->record.log_level = LOG_LEVEL_SHARED;
	return x;
}

void exchange_begin(struct client *c, const struct request_head *head)
{
	struct arrival arrival;
	struct exchange *x = exchange_begin_for(c, &arrival, head);

	worker_busy(c->worker);
	turn(x, STEP_ROUTE);
}

void exchange_refuse(struct client *c, unsigned status, const struct head_fault *fault)
{
	struct arrival arrival;
	struct exchange *x = exchange_begin_for(c, &arrival, NULL);

	x->wish.minor = x->record.minor = c->is_framed ? 2 : 1;
	x->record.remote_addr = arena_dup(&x->arena, arrival.remote.address);
	turn(x, exchange_fail(x, error_of_status(status),
			fault ? head_fault_text(&x->arena, fault) : STR_EMPTY));
}
