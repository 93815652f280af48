/* upstream.c - opens, keeps and reuses connections to an origin. */
/* SPDX-License-Identifier: MIT */
#include "proxy/upstream.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/probe.h"
#include "http/head.h"
#include "net/socket.h"
#include "proxy/exchange.h"
#include "proxy/shared.h"
#include "proxy/worker.h"

/* The longest time, whatever the other end says that it keeps a connection. */
#define IDLE_LIMIT 60000
/* We close it this long before the other end would, but keep it at least this long. */
#define IDLE_MARGIN 1000
#define IDLE_LEAST  500

static void on_upstream_event(struct watch *w, unsigned events)
{
	struct upstream *u = container_of(w, struct upstream, watch);

	MAGIC_CHECK(u, UPSTREAM_MAGIC);
	if (!u->exchange) {
		/* An idle connection has nothing to say: what comes is its end, or bytes that
		 * nobody asked for. */
		if (events & (LOOP_READ | LOOP_HUP))
			upstream_close(u);
		else
			outbox_unblock(&u->out);
		return;
	}
	if (events & LOOP_READ)
		u->in.can_read = true;
	if (events & LOOP_EOF)
		u->in.saw_eof = true;
	if (events & LOOP_WRITE)
		outbox_unblock(&u->out);
	exchange_wake(u->exchange, EVENT_UPSTREAM);
}

static void on_deadline_time(struct timer *t)
{
	struct upstream *u = container_of(t, struct upstream, timer);

	MAGIC_CHECK(u, UPSTREAM_MAGIC);
	if (u->exchange)
		exchange_wake(u->exchange, EVENT_UPSTREAM_TIME);
	else
		upstream_close(u);
}

void upstream_deadline(struct upstream *u, msec at)
{
	MAGIC_CHECK(u, UPSTREAM_MAGIC);
	timer_set(&u->timer, u->worker->loop, at, on_deadline_time);
}

struct upstream *upstream_take(struct origin *o, bool may_repeat)
{
	msec now = loop_now(o->worker->loop), fresh = o->limits->fresh;
	msec not_before = may_repeat || now < fresh ? 0 : now - fresh;
	struct upstream *u;

	while (!list_is_empty(&o->idle)) {
		u = list_first(&o->idle, struct upstream, link);
		if (u->idle_since < not_before)
			return NULL;
		if (not_before && !socket_is_silent(u->watch.fd)) {
			upstream_close(u);
			continue;
		}
		list_remove(&u->link);
		u->is_reused = true;
		return u;
	}
	return NULL;
}

static int open_upstream(struct origin *o, struct upstream **ret)
{
	int fd = socket_connect(&o->at), r;
	struct upstream *u;

	if (fd < 0)
		return fd;
	u = xcalloc(1, sizeof(*u));
	MAGIC_BEGIN(u, UPSTREAM_MAGIC);
	u->worker = o->worker;
	u->origin = o;
	u->generation = o->generation;
	u->is_connecting = true;
	list_init(&u->link);
	r = watch_open(&u->watch, u->worker->loop, fd, on_upstream_event);
	if (r < 0) {
		close(fd);
		free(u);
		return r;
	}
	shared_add(&u->worker->shared->nupstreams);
	*ret = u;
	return 0;
}

int upstream_connect(struct origin *o, struct upstream **ret)
{
	int r;

	MAGIC_CHECK(o, ORIGIN_MAGIC);
	atomic_fetch_add(o->connections, 1);
	r = open_upstream(o, ret);
	PROBE3(upstream_connect, o, o->generation, r);
	if (r < 0)
		atomic_fetch_sub(o->connections, 1);
	return r;
}

void upstream_learn(struct upstream *u, const struct response_head *h)
{
	str fields = header_value(h->headers, h->nheaders, HEADER_KEEP_ALIVE), field;
	uint64_t seconds;

	MAGIC_CHECK(u, UPSTREAM_MAGIC);
	u->idle_limit = 0;
	while (str_split(&fields, ',', &field)) {
		field = str_trim(field);
		if (!str_starts_nocase(field, STR("timeout=")) ||
			number_parse(str_slice(field, 8, field.n), UINT32_MAX, &seconds) < 0)
			continue;
		u->idle_limit = MAX(seconds * 1000, (msec)(IDLE_LEAST + IDLE_MARGIN)) - IDLE_MARGIN;
	}
}

static msec idle_limit(const struct upstream *u)
{
	msec limit = u->idle_limit ? u->idle_limit : u->origin->limits->idle;

	return MIN(limit, (msec)IDLE_LIMIT);
}

/* Nothing follows the response.  Only a read that filled its buffer leaves a doubt. */
static bool is_silent(const struct upstream *u)
{
	if (u->in.unread.n || u->in.saw_eof)
		return false;
	return !u->in.can_read || socket_is_silent(u->watch.fd);
}

void upstream_give_back(struct upstream *u)
{
	struct origin *o = u->origin;

	MAGIC_CHECK(u, UPSTREAM_MAGIC);
	MAGIC_CHECK(o, ORIGIN_MAGIC);
	u->exchange = NULL;
	if (u->is_deaf || o->is_closed || o->generation != u->generation || !is_silent(u) ||
		!outbox_is_empty(&u->out)) {
		upstream_close(u);
		return;
	}
	inbox_done(&u->in);
	u->scanned = 0;
	u->idle_since = loop_now(u->worker->loop);
	upstream_deadline(u, u->idle_since + idle_limit(u));
	list_push(&o->idle, &u->link);
}

static void on_upstream_gone(void *arg)
{
	struct upstream *u = arg;

	MAGIC_END(u, UPSTREAM_MAGIC);
	free(u);
}

void upstream_close(struct upstream *u)
{
	MAGIC_CHECK(u, UPSTREAM_MAGIC);
	if (u->is_closed)
		return;
	u->is_closed = true;
	u->exchange = NULL;
	list_remove(&u->link);
	timer_cancel(&u->timer);
	watch_close_fd(&u->watch);
	atomic_fetch_sub(u->origin->connections, 1);
	inbox_done(&u->in);
	outbox_done(&u->out);
	shared_remove(&u->worker->shared->nupstreams);
	loop_defer(u->worker->loop, on_upstream_gone, u);
}
