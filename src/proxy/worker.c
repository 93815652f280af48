/* worker.c - one event-loop thread of the proxy. */
/* SPDX-License-Identifier: MIT */
#include "proxy/worker.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/proxy_int.h"
#include "proxy/upstream.h"

#define ACCEPTS_PER_TURN 64
#define ACCEPT_RETRY	 100 /* msec, while there are no descriptors left */

static void on_accept_retry(struct timer *t);

static void stop_listening(struct worker *w)
{
	watch_close(&w->listener);
}

/* Out of descriptors: the longest idle connection makes room; without one the listener rests for a
 * moment. */
static void make_room(struct worker *w)
{
	if (!list_is_empty(&w->idle_connections)) {
		connection_close(list_last(&w->idle_connections, struct connection, link));
		return;
	}
	stop_listening(w);
	timer_set(&w->accept_retry, w->loop, loop_now(w->loop) + ACCEPT_RETRY, on_accept_retry);
}

static bool is_full(const struct worker *w)
{
	int64_t limit = w->view->conf->server.max_connections;

	return limit && w->nconnections * proxy_threads(w->proxy) >= (size_t)limit;
}

static void on_listener(struct watch *watch, unsigned events)
{
	struct worker *w = container_of(watch, struct worker, listener);
	struct address peer;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN && w->listener.fd >= 0; i++) {
		int fd;

		if (is_full(w)) {
			make_room(w);
			continue;
		}
		fd = socket_accept(w->listener.fd, &peer);
		if (fd >= 0)
			connection_open(w, fd, &peer);
		else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM)
			make_room(w);
		else if (fd != -ECONNABORTED && fd != -EINTR)
			return;
	}
}

static bool listen_again(struct worker *w)
{
	return watch_open_read(&w->listener, w->loop, w->listen_fd, on_listener) == 0;
}

static void on_accept_retry(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, accept_retry);

	if (w->is_draining)
		return;
	if (!listen_again(w))
		timer_set(t, w->loop, loop_now(w->loop) + ACCEPT_RETRY, on_accept_retry);
}

static void on_turn(void *arg)
{
	(void)arg;
	log_publish();
}

struct worker *worker_new(
	struct proxy *proxy, int take_listen_fd, struct slot *slots, struct snapshot *take_snapshot)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->proxy = proxy;
	w->loop = loop_new();
	w->view = view_new(take_snapshot);
	w->slots = slots;
	w->listen_fd = take_listen_fd;
	list_init(&w->idle_connections);
	list_init(&w->active_connections);
	list_init(&w->free_exchanges);
	list_init(&w->eager);
	request_ids_init(&w->ids);
	if (!w->loop) {
		view_unref(w->view);
		free(w);
		return NULL;
	}
	socket_set_nodelay(take_listen_fd);
	loop_on_turn(w->loop, on_turn, w);
	if (!listen_again(w))
		log_error("cannot watch the listening socket");
	return w;
}

void worker_run(struct worker *w)
{
	loop_run(w->loop);
}

struct tenant *worker_tenant(struct worker *w, uint32_t slot)
{
	struct tenant *t;

	if (slot >= w->ntenants) {
		uint32_t n = MAX(slot + 1, w->ntenants * 2);

		w->tenants = xrealloc(w->tenants, n * sizeof(struct tenant *));
		memset(w->tenants + w->ntenants, 0, (n - w->ntenants) * sizeof(struct tenant *));
		w->ntenants = n;
	}
	t = w->tenants[slot];
	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->slot = slot;
	list_init(&t->idle);
	list_init(&t->held);
	list_init(&t->watched);
	w->tenants[slot] = t;
	return t;
}

void worker_wake(struct worker *w, struct tenant *t)
{
	if (t->wake_sent)
		return;
	t->wake_sent = true;
	proxy_wake(w->proxy, t->slot);
}

void worker_connection_gone(struct worker *w)
{
	w->nconnections--;
	if (w->is_draining && !w->nconnections)
		proxy_worker_drained(w->proxy, w);
}

static void on_eager(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, eager_timer);
	struct list now;

	if (list_is_empty(&w->eager))
		return;
	list_insert_between(&now, w->eager.prev, w->eager.next);
	list_init(&w->eager);
	while (!list_is_empty(&now)) {
		struct exchange *x = list_first(&now, struct exchange, link);

		list_remove(&x->link);
		exchange_go_on(x);
	}
}

void worker_go_on_later(struct worker *w, struct exchange *x)
{
	list_remove(&x->link);
	list_append(&w->eager, &x->link);
	timer_set(&w->eager_timer, w->loop, loop_now(w->loop), on_eager);
}

struct posted {
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

static void on_new_view(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;

	view_unref(w->view);
	w->view = view_new(p->snapshot);
	log_set_level(w->view->conf->server.log_level);
	proxy_worker_configured(w->proxy);
	free(p);
}

void worker_post_view(struct worker *w, struct snapshot *take_snapshot)
{
	post(w, on_new_view, (struct posted){.snapshot = take_snapshot});
}

/* Nothing starts any more, so there is nothing to wait for. */
static void give_up(struct list *waiting)
{
	while (!list_is_empty(waiting))
		exchange_give_up(list_first(waiting, struct exchange, link));
}

static void on_drain(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;

	free(p);
	if (w->is_draining)
		return;
	timer_cancel(&w->accept_retry);
	stop_listening(w);
	list_foreach_safe (c, &w->idle_connections, struct connection, link)
		connection_close(c);
	w->is_draining =
		true; /* only now, so that the last of these does not report the end as well */
	if (!w->nconnections) {
		proxy_worker_drained(w->proxy, w);
		return;
	}
	for (uint32_t i = 0; i < w->ntenants; i++) {
		if (!w->tenants[i])
			continue;
		give_up(&w->tenants[i]->held);
		give_up(&w->tenants[i]->watched);
	}
}

void worker_post_drain(struct worker *w)
{
	post(w, on_drain, (struct posted){0});
}

static void tell(struct list *exchanges, enum tenant_state state)
{
	struct list all;

	if (list_is_empty(exchanges))
		return;
	/* Each may come back to the list, so they leave it all at once. */
	list_insert_between(&all, exchanges->prev, exchanges->next);
	list_init(exchanges);
	while (!list_is_empty(&all)) {
		struct exchange *x = list_first(&all, struct exchange, link);

		list_remove(&x->link);
		exchange_tenant_changed(x, state);
	}
}

static void on_state(void *arg)
{
	struct posted *p = arg;
	struct worker *w = p->worker;
	struct tenant *t = worker_tenant(w, p->slot);

	free(t->reason);
	t->reason = p->reason;
	t->wake_sent = false;
	if (p->state != TENANT_RUNNING && p->state != TENANT_DRAINING)
		upstream_close_idle(t);
	tell(&t->held, p->state);
	tell(&t->watched, p->state);
	free(p);
}

void worker_post_state(struct worker *w, uint32_t slot, enum tenant_state state, str reason)
{
	post(w, on_state, (struct posted){.slot = slot, .state = state, .reason = str_dup(reason)});
}
