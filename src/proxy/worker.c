/* worker.c - one event-loop thread of the proxy. */
/* SPDX-License-Identifier: MIT */
#include "proxy/worker.h"

#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/proxy_int.h"
#include "proxy/shortage.h"
#include "proxy/upstream.h"

#define ACCEPTS_PER_TURN 64
#define ACCEPT_RETRY	 100 /* msec, while there are as many connections as can be */
#define BUSY_PAUSE	 200 /* msec between two times that the supervisor is told of requests */
#define TELL_EVERY	 10000
#define TRIM_AFTER	 1000 /* msec, when what belongs to it has been freed too */
#define STREAM_GRACE	 2000 /* msec that an event stream may go on while its tenant ends */
#define IDLE_TRIES	 8    /* idle connections looked at for one that can be closed */

static void on_listener(struct watch *watch, unsigned events);
static void rest(struct worker *w);

static void stop_listening(struct worker *w)
{
	timer_cancel(&w->accept_retry);
	watch_close(&w->listener);
}

static void listen_again(struct worker *w)
{
	timer_cancel(&w->accept_retry);
	if (watch_open_read(&w->listener, w->loop, w->listen_fd, on_listener) < 0)
		rest(w);
}

static void on_accept_retry(struct timer *t)
{
	listen_again(container_of(t, struct worker, accept_retry));
}

/* Until one of our connections has ended, or others of the process have. */
static void rest(struct worker *w)
{
	stop_listening(w);
	timer_set(&w->accept_retry, w->loop, loop_now(w->loop) + ACCEPT_RETRY, on_accept_retry);
}

bool worker_close_idle(struct worker *w, msec idle_for)
{
	struct list *link = w->idle_connections.prev;
	msec now = loop_now(w->loop);

	for (int i = 0; i < IDLE_TRIES && link != &w->idle_connections; i++) {
		struct connection *c = container_of(link, struct connection, link);

		if (now - c->since < idle_for)
			return false; /* as are the others */
		link = link->prev;
		if (socket_is_silent(c->watch.fd)) {
			connection_close(c);
			return true;
		}
	}
	return false;
}

bool worker_close_upstreams(struct worker *w)
{
	bool has_closed = false;

	for (uint32_t i = 0; i < w->ntenants; i++) {
		struct tenant *t = w->tenants[i];

		if (!t || list_is_empty(&t->idle))
			continue;
		upstream_close_idle(t);
		has_closed = true;
	}
	return has_closed;
}

static void make_room(struct worker *w)
{
	if (!shortage_make_room(w))
		rest(w);
}

/* Other threads may have been faster: nobody is sent away for a client that is not there. */
static bool is_anyone_waiting(const struct worker *w)
{
	struct pollfd listener = {.fd = w->listen_fd, .events = POLLIN};

	return poll(&listener, 1, 0) > 0;
}

static bool is_full(const struct worker *w)
{
	int64_t limit = w->view->conf->server.max_connections;
	size_t clients = proxy_connections(w->proxy);

	return (limit && clients >= (size_t)limit) ||
	       clients + proxy_upstreams(w->proxy) >= w->max_sockets;
}

static bool is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

/* To ask for one more connection than there is costs as much as to take it.  So one is taken, and
 * twice as many as before when the listener comes again in the very next turn. */
static void on_listener(struct watch *watch, unsigned events)
{
	struct worker *w = container_of(watch, struct worker, listener);
	int most = w->accepts;
	struct address peer;

	(void)events;
	w->is_accepting = true;
	w->accepts = MIN(2 * most, ACCEPTS_PER_TURN);
	for (int i = 0; i < most && w->listener.fd >= 0; i++) {
		int fd = is_full(w) ? -EMFILE : socket_accept(w->listener.fd, &peer);

		if (fd >= 0)
			connection_open(w, fd, &peer);
		else if (is_shortage(fd) && is_anyone_waiting(w))
			make_room(w);
		else if (fd != -ECONNABORTED && fd != -EINTR)
			return;
	}
}

static void on_turn(void *arg)
{
	struct worker *w = arg;

	log_publish();
	shortage_watch_memory(w);
	if (!w->is_accepting)
		w->accepts = 1;
	w->is_accepting = false;
}

static void on_opener_closed(void *arg)
{
	struct worker *w = arg;

	proxy_broken(w->proxy);
}

struct worker *worker_new(struct proxy *proxy, int take_listen_fd, int take_opener_fd,
	struct slot *slots, struct snapshot *take_snapshot)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->proxy = proxy;
	w->loop = loop_new();
	w->view = view_new(take_snapshot);
	w->slots = slots;
	w->listen_fd = take_listen_fd;
	w->max_sockets = shortage_max_sockets();
	list_init(&w->idle_connections);
	list_init(&w->active_connections);
	list_init(&w->free_exchanges);
	list_init(&w->eager);
	open_files_init(&w->open_files);
	open_files_init(&w->sent_files);
	request_ids_init(&w->ids);
	if (w->loop)
		w->opener = opener_new(w->loop, take_opener_fd, on_opener_closed, w);
	if (!w->opener) {
		view_unref(w->view);
		free(w);
		return NULL;
	}
	socket_set_nodelay(take_listen_fd);
	socket_set_keepalive(take_listen_fd);
	w->accepts = 1;
	loop_on_turn(w->loop, on_turn, w);
	listen_again(w);
	return w;
}

void worker_run(struct worker *w)
{
	loop_run(w->loop);
}

static void tenant_free_unused(struct tenant *t)
{
	if (!t->is_former || t->nexchanges)
		return;
	free(t->reason);
	free(t);
}

/* Those that are older than that, and tunnels.  One may take others of its connection along, so
 * they leave the list as long as they have not had their turn. */
static void dismiss_streams(struct tenant *t, uint64_t older_than)
{
	uint64_t now = clock_usec();
	struct list all;

	list_take_all(&all, &t->streams);
	while (!list_is_empty(&all)) {
		struct exchange *x = container_of(list_pop(&all), struct exchange, link);

		list_append(&t->streams, &x->link);
		if (x->is_tunnel || now - x->began >= older_than)
			exchange_dismiss(x);
	}
}

static void on_streams_end(struct timer *timer)
{
	dismiss_streams(container_of(timer, struct tenant, streams_end), 0);
}

static void dismiss_streams_later(struct worker *w, struct tenant *t)
{
	if (!timer_is_set(&t->streams_end))
		timer_set(
			&t->streams_end, w->loop, loop_now(w->loop) + STREAM_GRACE, on_streams_end);
}

/* Nothing else would end them before it is killed.  An answer that may be just short has a moment.
 */
static void begin_dismissal(struct worker *w, struct tenant *t)
{
	dismiss_streams(t, STREAM_GRACE * 1000);
	if (!list_is_empty(&t->streams))
		dismiss_streams_later(w, t);
}

void worker_stream_began(struct exchange *x)
{
	struct tenant *t = x->tenant;

	list_remove(&x->link);
	list_append(&t->streams, &x->link);
	if (slot_state(&x->worker->slots[t->slot], t->owner) != TENANT_RUNNING)
		dismiss_streams_later(x->worker, t);
}

/* Its exchanges go on with it, but for those that would do so for ever; nobody else will. */
static void forget_tenant(struct worker *w, struct tenant *t)
{
	upstream_close_idle(t);
	timer_cancel(&t->streams_end);
	dismiss_streams(t, 0);
	w->tenants[t->slot] = NULL;
	t->is_former = true;
	tenant_free_unused(t);
}

static struct tenant *tenant_new(uint32_t slot, uint64_t owner)
{
	struct tenant *t = xcalloc(1, sizeof(*t));

	t->slot = slot;
	t->owner = owner;
	list_init(&t->idle);
	list_init(&t->held);
	list_init(&t->watched);
	list_init(&t->streams);
	return t;
}

static struct tenant *tenant_at(struct worker *w, uint32_t slot, uint64_t owner)
{
	if (slot >= w->ntenants) {
		uint32_t n = MAX(slot + 1, w->ntenants * 2);

		w->tenants = xrealloc(w->tenants, n * sizeof(struct tenant *));
		memset(w->tenants + w->ntenants, 0, (n - w->ntenants) * sizeof(struct tenant *));
		w->ntenants = n;
	}
	if (w->tenants[slot] && w->tenants[slot]->owner != owner)
		forget_tenant(w, w->tenants[slot]);
	if (!w->tenants[slot])
		w->tenants[slot] = tenant_new(slot, owner);
	return w->tenants[slot];
}

struct tenant *worker_tenant(struct worker *w, const struct tenant_conf *conf)
{
	struct tenant *t = tenant_at(w, conf->slot, conf->owner);

	t->nexchanges++;
	return t;
}

void worker_leave_tenant(struct tenant *t)
{
	if (!t)
		return;
	t->nexchanges--;
	tenant_free_unused(t);
}

void worker_busy(struct worker *w)
{
	msec now = loop_now(w->loop);

	if (now < w->busy_told + BUSY_PAUSE)
		return;
	w->busy_told = now;
	proxy_busy(w->proxy);
}

void worker_wake(struct worker *w, struct tenant *t)
{
	if (t->wake_sent)
		return;
	t->wake_sent = true;
	proxy_wake(w->proxy, t->slot);
}

static void end_drain(struct worker *w)
{
	log_publish(); /* the last lines, before the process ends */
	proxy_worker_drained(w->proxy);
}

void worker_connection_came(struct worker *w)
{
	w->nconnections++;
	proxy_connection_came(w->proxy);
}

void worker_connection_gone(struct worker *w)
{
	w->nconnections--;
	proxy_connection_gone(w->proxy);
	if (timer_is_set(&w->accept_retry))
		listen_again(w);
	if (w->is_draining && !w->nconnections)
		end_drain(w);
}

static void on_eager(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, eager_timer);
	struct list now;

	list_take_all(&now, &w->eager);
	while (!list_is_empty(&now))
		client_go_on(container_of(list_pop(&now), struct client, eager));
}

void worker_go_on_later(struct client *c)
{
	struct worker *w = c->worker;

	list_remove(&c->eager);
	list_append(&w->eager, &c->eager);
	timer_set(&w->eager_timer, w->loop, loop_now(w->loop), on_eager);
}

static void on_trim(struct timer *t)
{
	(void)t;
	malloc_trim(0);
}

void worker_trim_later(struct worker *w)
{
	if (!timer_is_set(&w->trim_timer))
		timer_set(&w->trim_timer, w->loop, loop_now(w->loop) + TRIM_AFTER, on_trim);
}

size_t worker_may_tell(struct worker *w, struct seldom *s)
{
	size_t n = ++s->count;

	if (loop_now(w->loop) < s->next)
		return 0;
	*s = (struct seldom){.next = loop_now(w->loop) + TELL_EVERY};
	return n;
}

static void on_sweep(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, sweep_timer);
	msec now = loop_now(w->loop);
	bool has_public = open_files_sweep(&w->open_files, now);

	if (open_files_sweep(&w->sent_files, now) || has_public)
		worker_sweep_files(w);
}

void worker_sweep_files(struct worker *w)
{
	if (!timer_is_set(&w->sweep_timer))
		timer_set(&w->sweep_timer, w->loop, loop_now(w->loop) + OPEN_FILES_VALID, on_sweep);
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

/* fn may end an exchange or leave it where it is. */
static void for_all(struct list *exchanges, void (*fn)(struct exchange *x))
{
	list_foreach_safe (x, exchanges, struct exchange, link)
		fn(x);
}

static void on_new_view(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;

	view_unref(w->view);
	w->view = view_new(p->snapshot);
	open_files_clear(&w->open_files); /* their directories are others, as may be the slots */
	open_files_clear(&w->sent_files);
	for (uint32_t i = 0; i < w->ntenants; i++) {
		struct tenant *t = w->tenants[i];

		if (!t)
			continue;
		t->wake_sent = false;
		for_all(&t->held, exchange_view_changed);
		for_all(&t->watched, exchange_view_changed);
		if (!slot_is_of(&w->slots[i], t->owner))
			forget_tenant(w, t);
	}
	proxy_worker_configured(w->proxy, w->view->snapshot->serial);
	free(p);
}

void worker_post_view(struct worker *w, struct snapshot *take_snapshot)
{
	post(w, on_new_view, (struct posted){.snapshot = take_snapshot});
}

static void on_ask(void *arg)
{
	struct posted *p = arg;

	proxy_worker_alive(p->worker->proxy, p->number);
	free(p);
}

void worker_post_ask(struct worker *w, uint64_t number)
{
	post(w, on_ask, (struct posted){.number = number});
}

/* A request that came at the last moment is still answered. */
static void drain_idle(struct worker *w)
{
	struct list all;

	list_take_all(&all, &w->idle_connections);
	while (!list_is_empty(&all)) {
		struct list *link = list_pop(&all);

		list_push(&w->idle_connections, link);
		connection_drain(container_of(link, struct connection, link));
	}
}

/* Those that carry others' requests, too: HTTP/1 connections end by themselves, after theirs. */
static void drain_streams(struct worker *w)
{
	struct list all;

	list_take_all(&all, &w->active_connections);
	while (!list_is_empty(&all)) {
		struct list *link = list_pop(&all);
		struct connection *c = container_of(link, struct connection, link);

		list_push(&w->active_connections, link);
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
	for (uint32_t i = 0; i < w->ntenants; i++) {
		if (!w->tenants[i])
			continue;
		for_all(&w->tenants[i]->held, exchange_give_up);
		for_all(&w->tenants[i]->watched, exchange_give_up);
	}
	worker_connection_gone(w);
}

void worker_post_drain(struct worker *w)
{
	post(w, on_drain, (struct posted){0});
}

static void tell(struct list *exchanges, enum tenant_state state)
{
	struct list all;

	/* Each may come back to the list, so they leave it all at once. */
	list_take_all(&all, exchanges);
	while (!list_is_empty(&all))
		exchange_tenant_changed(container_of(list_pop(&all), struct exchange, link), state);
}

/* The start that they wait for has been cut short. */
static void count_stop(struct tenant *t, enum tenant_state state)
{
	bool is_stop = state == TENANT_STOPPING || state == TENANT_STOPPED;

	if (is_stop && state_is_on_its_way(t->told))
		list_foreach (x, &t->held, struct exchange, link)
			x->stops++;
	t->told = state;
}

/* One that has been removed is told how it ends, as long as it is known. */
static struct tenant *told_tenant(struct worker *w, uint32_t slot)
{
	uint64_t owner = atomic_load(&w->slots[slot].owner);

	if (owner)
		return tenant_at(w, slot, owner);
	return slot < w->ntenants ? w->tenants[slot] : NULL;
}

static void on_state(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;
	struct tenant *t = told_tenant(w, p->slot);

	if (!t) {
		free(p->reason);
		free(p);
		return;
	}
	free(t->reason);
	t->reason = p->reason;
	t->wake_sent = state_is_on_its_way(p->state); /* then the supervisor knows it */
	if (p->state != TENANT_RUNNING) {
		upstream_close_idle(t);
		if (p->state == TENANT_DRAINING)
			begin_dismissal(w, t);
		else
			dismiss_streams(t, 0);
	}
	count_stop(t, p->state);
	tell(&t->held, p->state);
	tell(&t->watched, p->state);
	free(p);
}

void worker_post_state(struct worker *w, uint32_t slot, enum tenant_state state, str reason)
{
	post(w, on_state, (struct posted){.slot = slot, .state = state, .reason = str_dup(reason)});
}
