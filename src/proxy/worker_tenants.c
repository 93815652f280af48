/* worker_tenants.c - what a worker knows of tenants, and their streams. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "proxy/exchange.h"
#include "proxy/worker_int.h"
#include "proxy/worker_peers.h"

#define STREAM_GRACE 2000 /* msec that an event stream may go on while its tenant ends */
/* msec: those limits of a tenant's origin that nobody configures. */
#define REFUSED_RETRY 20
#define FRESH_FOR     1500

static void tenant_free_unused(struct worker_tenant *t)
{
	if (!t->is_former || t->nexchanges)
		return;
	timer_cancel(&t->streams_end); /* of a stream that began when it was already a former one */
	origin_done(&t->origin);
	free(t->socket_path);
	free(t->reason);
	MAGIC_END(t, TENANT_MAGIC);
	free(t);
}

/* One may take others of its connection along, so the list is emptied first, and each goes back
 * just before its turn. */
void worker_dismiss(struct list *streams, uint64_t older_than)
{
	uint64_t now = clock_usec();
	struct list all;

	list_take_all(&all, streams);
	while (!list_is_empty(&all)) {
		struct exchange *x = container_of(list_pop(&all), struct exchange, link);

		list_append(streams, &x->link);
		if (x->trip.is_tunnel || now - x->began >= older_than)
			exchange_wake(x, EVENT_DISMISS);
	}
}

static void on_streams_end(struct timer *timer)
{
	worker_dismiss(&container_of(timer, struct worker_tenant, streams_end)->streams, 0);
}

static void dismiss_streams_later(struct worker *w, struct worker_tenant *t)
{
	if (!timer_is_set(&t->streams_end))
		timer_set(
			&t->streams_end, w->loop, loop_now(w->loop) + STREAM_GRACE, on_streams_end);
}

void worker_end_streams_soon(struct worker *w, struct worker_tenant *t)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	MAGIC_CHECK(t, TENANT_MAGIC);
	worker_dismiss(&t->streams, STREAM_GRACE * 1000);
	if (!list_is_empty(&t->streams))
		dismiss_streams_later(w, t);
}

void worker_end_streams(struct worker_tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	worker_dismiss(&t->streams, 0);
}

void worker_stream_began(struct exchange *x)
{
	struct worker_tenant *t = x->trip.tenant;

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	list_remove(&x->link);
	if (x->trip.peer.is) {
		worker_stream_to_peer(x);
		return;
	}
	list_append(&t->streams, &x->link);
	if (!state_serves(slot_state(&x->worker->by_slot.slots[t->slot], t->owner)))
		dismiss_streams_later(x->worker, t);
}

void worker_forget_tenant(struct worker *w, struct worker_tenant *t)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	MAGIC_CHECK(t, TENANT_MAGIC);
	origin_close(&t->origin);
	timer_cancel(&t->streams_end);
	worker_dismiss(&t->streams, 0);
	w->by_slot.tenants[t->slot] = NULL;
	t->is_former = true;
	tenant_free_unused(t);
}

static struct worker_tenant *tenant_new(struct worker *w, uint32_t slot, uint64_t owner)
{
	struct worker_tenant *t = xcalloc(1, sizeof(*t));

	MAGIC_BEGIN(t, TENANT_MAGIC);
	t->slot = slot;
	t->owner = owner;
	origin_init(&t->origin, w, &w->origins.of_tenants, &w->by_slot.slots[slot].connections);
	list_init(&t->held);
	list_init(&t->watched);
	list_init(&t->streams);
	return t;
}

struct worker_tenant *worker_tenant_at(struct worker *w, uint32_t slot, uint64_t owner)
{
	if (slot >= w->by_slot.ntenants) {
		uint32_t n = MAX(slot + 1, w->by_slot.ntenants * 2);

		w->by_slot.tenants =
			xrealloc(w->by_slot.tenants, n * sizeof(struct worker_tenant *));
		memset(w->by_slot.tenants + w->by_slot.ntenants, 0,
			(n - w->by_slot.ntenants) * sizeof(struct worker_tenant *));
		w->by_slot.ntenants = n;
	}
	if (w->by_slot.tenants[slot] && w->by_slot.tenants[slot]->owner != owner)
		worker_forget_tenant(w, w->by_slot.tenants[slot]);
	if (!w->by_slot.tenants[slot])
		w->by_slot.tenants[slot] = tenant_new(w, slot, owner);
	return w->by_slot.tenants[slot];
}

struct worker_tenant *worker_tenant(struct worker *w, const struct tenant_conf *conf)
{
	struct worker_tenant *t = worker_tenant_at(w, conf->slot, conf->owner);

	MAGIC_CHECK(w, WORKER_MAGIC);
	t->nexchanges++;
	return t;
}

void worker_leave_tenant(struct worker_tenant *t)
{
	if (!t)
		return;
	t->nexchanges--;
	tenant_free_unused(t);
}

/* The supervisor made run_dir our working directory while we were root: its path may lead through
 * directories that are closed to us, such as $XDG_RUNTIME_DIR. */
static const char *socket_path(struct worker_tenant *t)
{
	char path[128];

	if (!t->socket_path) {
		slot_socket_path(STR("."), t->slot, path, sizeof(path));
		t->socket_path = xstrdup(path);
	}
	return t->socket_path;
}

void worker_locate_tenant(struct worker *w, struct worker_tenant *t)
{
	const struct slot *slot = &w->by_slot.slots[t->slot];
	uint32_t port = atomic_load(&slot->port);

	MAGIC_CHECK(w, WORKER_MAGIC);
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (port)
		t->origin.at = endpoint_local((uint16_t)port, atomic_load(&slot->is_ipv6) != 0);
	else
		t->origin.at = (struct endpoint){.path = socket_path(t)};
}

void worker_limit_tenants(struct worker *w)
{
	const struct server_conf *server = &w->view->conf->server;

	MAGIC_CHECK(w, WORKER_MAGIC);
	w->origins.of_tenants = (struct origin_limits){
		.connect = server->connect_timeout,
		.retry = REFUSED_RETRY,
		.response = server->response_timeout,
		.idle = server->upstream_idle_timeout,
		.fresh = FRESH_FOR,
	};
}
