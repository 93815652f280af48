/* worker.c - a worker's listener, and what it is told from other threads. */
/* SPDX-License-Identifier: MIT */
#include "proxy/worker.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/background.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/shared.h"
#include "proxy/shortage.h"
#include "proxy/worker_int.h"
#include "proxy/worker_peers.h"

#define ACCEPTS_PER_TURN 64
#define ACCEPT_RETRY	 100 /* msec, while there are as many connections as allowed */

static void on_listener(struct watch *watch, unsigned events);
static void rest_listener(struct worker *w);

static void stop_listening(struct worker *w)
{
	timer_cancel(&w->accepting.retry);
	watch_close(&w->accepting.listener);
}

static void listen_again(struct worker *w)
{
	timer_cancel(&w->accepting.retry);
	if (watch_open_read(&w->accepting.listener, w->loop, w->accepting.fd, on_listener) < 0)
		rest_listener(w);
}

static void on_accept_retry(struct timer *t)
{
	listen_again(container_of(t, struct worker, accepting.retry));
}

/* Until one of our connections has ended, or one of another thread has. */
static void rest_listener(struct worker *w)
{
	stop_listening(w);
	timer_set(&w->accepting.retry, w->loop, loop_now(w->loop) + ACCEPT_RETRY, on_accept_retry);
}

static void make_room_or_rest(struct worker *w)
{
	if (!shortage_make_room(w))
		rest_listener(w);
}

/* Other threads may have been faster: nobody is sent away for a client that is gone. */
static bool is_anyone_waiting(const struct worker *w)
{
	struct pollfd listener = {.fd = w->accepting.fd, .events = POLLIN};

	return poll(&listener, 1, 0) > 0;
}

static bool is_full(const struct worker *w)
{
	int64_t limit = w->view->conf->server.max_connections;
	size_t clients = shared_count(&w->shared->nconnections);

	return (limit && clients >= (size_t)limit) ||
	       clients + shared_count(&w->shared->nupstreams) >= w->shortage.max_sockets;
}

static bool is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

/* To ask for one more connection than there is costs as much as to take it.  So one is taken, and
 * twice as many as before when the listener is ready again in the very next turn. */
static void on_listener(struct watch *watch, unsigned events)
{
	struct worker *w = container_of(watch, struct worker, accepting.listener);
	int most = w->accepting.at_once;
	struct address peer;

	MAGIC_CHECK(w, WORKER_MAGIC);
	(void)events;
	w->accepting.is_under_way = true;
	w->accepting.at_once = MIN(2 * most, ACCEPTS_PER_TURN);
	for (int i = 0; i < most && w->accepting.listener.fd >= 0; i++) {
		int fd = is_full(w) ? -EMFILE : socket_accept(w->accepting.listener.fd, &peer);

		if (fd >= 0)
			connection_open(w, fd, &peer);
		else if (is_shortage(fd) && is_anyone_waiting(w))
			make_room_or_rest(w);
		else if (fd != -ECONNABORTED && fd != -EINTR)
			return;
	}
}

static void on_worker_turn(void *arg)
{
	struct worker *w = arg;

	MAGIC_CHECK(w, WORKER_MAGIC);
	log_publish();
	shortage_watch(w);
	views_sweep(&w->former_views);
	if (!w->accepting.is_under_way)
		w->accepting.at_once = 1;
	w->accepting.is_under_way = false;
}

static void on_opener_closed(void *arg)
{
	struct worker *w = arg;

	MAGIC_CHECK(w, WORKER_MAGIC);
	w->shared->ops->broken(w->shared);
}

struct worker *worker_new(struct shared *shared, int take_listen_fd, int take_opener_fd,
	const struct scoreboard *board, size_t index, struct snapshot *take_snapshot)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	MAGIC_BEGIN(w, WORKER_MAGIC);
	w->shared = shared;
	w->loop = loop_new();
	w->view = view_new(take_snapshot);
	worker_limit_tenants(w);
	worker_configure_peers(w, NULL);
	list_init(&w->former_views);
	w->by_slot.slots = board->slots;
	w->machine.activity = board->activity;
	w->machine.cell = &board->activity->cells[index % ACTIVITY_CELLS];
	w->accepting.fd = take_listen_fd;
	w->shortage.max_sockets = shortage_max_sockets();
	list_init(&w->connections.idle);
	list_init(&w->connections.active);
	list_init(&w->exchanges.free);
	list_init(&w->exchanges.woken);
	list_init(&w->exchanges.seeking);
	w->renew = background_begin;
	list_init(&w->eager.clients);
	open_files_init(&w->files.public);
	open_files_init(&w->files.sent);
	request_ids_init(&w->ids);
	if (w->loop)
		w->files.opener = opener_new(w->loop, take_opener_fd, on_opener_closed, w);
	if (!w->files.opener) {
		MAGIC_END(w, WORKER_MAGIC);
		view_free(w->view);
		free(w);
		return NULL;
	}
	socket_set_nodelay(take_listen_fd);
	socket_set_keepalive(take_listen_fd);
	w->accepting.at_once = 1;
	loop_on_turn(w->loop, on_worker_turn, w);
	listen_again(w);
	return w;
}

void worker_run(struct worker *w)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	loop_run(w->loop);
}

struct posted {
	uint64_t number;
	struct worker *worker;
	struct snapshot *snapshot;
	uint32_t slot;
	enum tenant_state state;
	char *reason;
};

static void post(struct worker *w, loop_fn *fn, struct posted what)
{
	struct posted *p = xmalloc(sizeof(*p));

	*p = what;
	p->worker = w;
	loop_post(w->loop, fn, p);
}

/* Each may go back to the list, so they all leave it at once. */
static void wake_all(struct list *exchanges, enum event event, enum tenant_state state)
{
	struct list all;

	list_take_all(&all, exchanges);
	while (!list_is_empty(&all)) {
		struct exchange *x = container_of(list_pop(&all), struct exchange, link);

		list_append(exchanges, &x->link);
		x->trip.told = state;
		exchange_wake(x, event);
	}
}

static void tell_waiting(struct worker_tenant *t, enum event event, enum tenant_state state)
{
	wake_all(&t->held, event, state);
	wake_all(&t->watched, event, state);
}

static void on_new_view(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;
	const struct view *before = w->view; /* it is swept at the end of the turn, or later */

	view_unref(w->view);
	list_append(&w->former_views, &w->view->link);
	w->view = view_new(p->snapshot);
	worker_limit_tenants(w);
	worker_configure_peers(w, before->conf);
	open_files_clear(&w->files.public); /* their directories differ, and perhaps their slots */
	open_files_clear(&w->files.sent);
	for (uint32_t i = 0; i < w->by_slot.ntenants; i++) {
		struct worker_tenant *t = w->by_slot.tenants[i];

		if (!t)
			continue;
		t->wake_sent = false;
		tell_waiting(t, EVENT_VIEW, TENANT_ABSENT);
		if (!slot_is_of(&w->by_slot.slots[i], t->owner))
			worker_forget_tenant(w, t);
	}
	wake_all(&w->exchanges.seeking, EVENT_VIEW, TENANT_ABSENT);
	w->shared->ops->configured(w->shared, w->view->snapshot->serial);
	free(p);
}

void worker_post_view(struct worker *w, struct snapshot *take_snapshot)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	post(w, on_new_view, (struct posted){.snapshot = take_snapshot});
}

static void on_ask(void *arg)
{
	struct posted *p = arg;

	p->worker->shared->ops->alive(p->worker->shared, p->number);
	free(p);
}

void worker_post_ask(struct worker *w, uint64_t number)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	post(w, on_ask, (struct posted){.number = number});
}

static void on_resumed(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;

	for (uint32_t i = 0; i < w->by_slot.ntenants; i++)
		if (w->by_slot.tenants[i])
			origin_close_idle(&w->by_slot.tenants[i]->origin);
	map_foreach (it, &w->origins.peers)
		origin_close_idle(&((struct worker_peer *)it->value)->origin);
	free(p);
}

void worker_post_resumed(struct worker *w)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	post(w, on_resumed, (struct posted){0});
}

static void on_roster_look(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;

	w->exchanges.looked = p->number;
	wake_all(&w->exchanges.seeking, EVENT_LOOKED, TENANT_ABSENT);
	free(p);
}

void worker_post_looked(struct worker *w, uint64_t number)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	post(w, on_roster_look, (struct posted){.number = number});
}

/* A request that came at the last moment is still answered. */
static void drain_idle(struct worker *w)
{
	struct list all;

	list_take_all(&all, &w->connections.idle);
	while (!list_is_empty(&all)) {
		struct list *link = list_pop(&all);

		list_push(&w->connections.idle, link);
		connection_drain(container_of(link, struct connection, link));
	}
}

/* Those that carry requests of others, too: HTTP/1 connections end by themselves, after their
 * own. */
static void drain_streams(struct worker *w)
{
	struct list all;

	list_take_all(&all, &w->connections.active);
	while (!list_is_empty(&all)) {
		struct list *link = list_pop(&all);
		struct connection *c = container_of(link, struct connection, link);

		list_push(&w->connections.active, link);
		if (c->h2)
			connection_drain(c);
	}
}

static void on_drain(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;

	free(p);
	if (w->is_draining)
		return;
	stop_listening(w);
	worker_connection_came(w); /* so that the end is reported once, below or later */
	w->is_draining = true;
	drain_idle(w);
	drain_streams(w);
	/* Nothing starts any more, so there is nothing to wait for. */
	wake_all(&w->exchanges.seeking, EVENT_GIVE_UP, TENANT_ABSENT);
	for (uint32_t i = 0; i < w->by_slot.ntenants; i++) {
		if (w->by_slot.tenants[i])
			tell_waiting(w->by_slot.tenants[i], EVENT_GIVE_UP, TENANT_ABSENT);
	}
	worker_drain_peers(w);
	worker_connection_gone(w);
}

void worker_post_drain(struct worker *w)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	post(w, on_drain, (struct posted){0});
}

/* The start that they wait for has been cut short. */
static void count_stop(struct worker_tenant *t, enum tenant_state state)
{
	bool is_stop = state_is_ending(state) || state_is_asleep(state);

	if (is_stop && state_is_on_its_way(t->told))
		list_foreach (x, &t->held, struct exchange, link)
			x->trip.stops++;
	t->told = state;
}

/* One that has been removed is told how it ends, as long as that is known. */
static struct worker_tenant *told_tenant(struct worker *w, uint32_t slot)
{
	uint64_t owner = atomic_load(&w->by_slot.slots[slot].owner);

	if (owner)
		return worker_tenant_at(w, slot, owner);
	return slot < w->by_slot.ntenants ? w->by_slot.tenants[slot] : NULL;
}

static void on_state(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;
	struct worker_tenant *t = told_tenant(w, p->slot);

	if (!t) {
		free(p->reason);
		free(p);
		return;
	}
	free(t->reason);
	t->reason = p->reason;
	t->wake_sent = state_is_on_its_way(p->state); /* then the supervisor knows it */
	if (!state_serves(p->state)) {
		origin_close_idle(&t->origin);
		if (p->state == TENANT_DRAINING)
			worker_end_streams_soon(w, t);
		else
			worker_end_streams(t);
	}
	count_stop(t, p->state);
	tell_waiting(t, EVENT_STATE, p->state);
	free(p);
}

void worker_post_state(struct worker *w, uint32_t slot, enum tenant_state state, str reason)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	post(w, on_state, (struct posted){.slot = slot, .state = state, .reason = str_dup(reason)});
}
