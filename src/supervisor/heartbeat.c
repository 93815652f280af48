/* heartbeat.c - watches the listening sockets for a reason to ask, and counts ticks without an
 * answer. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/heartbeat.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Between an answer and the next question. */
#define PAUSE 200
/* The limit passes in this many steps: after a sleep of the whole machine, in which all of it
 * passes at once, the proxy still has most of it. */
#define TICKS 4

static void unwatch(struct heartbeat *h)
{
	for (size_t i = 0; i < h->listeners->count; i++)
		watch_close(&h->watches[i].watch);
}

static void on_connection(struct watch *w, unsigned events)
{
	(void)events;
	heartbeat_ask(container_of(w, struct heartbeat_watch, watch)->heartbeat);
}

/* A listener that cannot be watched gives no reason; the others do. */
static void watch_again(struct heartbeat *h)
{
	unwatch(h);
	for (size_t i = 0; h->limit && i < h->listeners->count; i++)
		if (watch_open_read(
			    &h->watches[i].watch, h->loop, h->listeners->fds[i], on_connection) < 0)
			h->watches[i].watch.fd = -1;
}

static void on_alive_time(struct timer *t);

static void ask_proxy(struct heartbeat *h)
{
	unwatch(h);
	h->is_asked = true;
	h->has_reason = false;
	h->ticks = 0;
	timer_set(&h->timer, h->loop, loop_now(h->loop) + MAX(h->limit / TICKS, 1u), on_alive_time);
	h->ask(h->arg, ++h->asked);
}

static void on_alive_time(struct timer *t)
{
	struct heartbeat *h = container_of(t, struct heartbeat, timer);

	if (!h->is_asked && h->has_reason && h->limit) {
		ask_proxy(h);
	} else if (!h->is_asked) {
		watch_again(h);
	} else if (++h->ticks < TICKS) {
		timer_set(t, h->loop, loop_now(h->loop) + MAX(h->limit / TICKS, 1u), on_alive_time);
	} else {
		h->is_asked = false;
		h->on_hung(h->arg);
	}
}

void heartbeat_ask(struct heartbeat *h)
{
	if (!h->loop || !h->limit || h->is_asked)
		return;
	if (timer_is_set(&h->timer))
		h->has_reason = true;
	else
		ask_proxy(h);
}

void heartbeat_answered(struct heartbeat *h, uint64_t number)
{
	if (!h->is_asked || number != h->asked)
		return;
	h->is_asked = false;
	timer_set(&h->timer, h->loop, loop_now(h->loop) + PAUSE, on_alive_time);
}

void heartbeat_start(struct heartbeat *h, struct loop *l, const struct listeners *listeners)
{
	h->loop = l;
	h->listeners = listeners;
	h->watches = xcalloc(MAX(listeners->count, 1u), sizeof(*h->watches));
	for (size_t i = 0; i < listeners->count; i++) {
		h->watches[i].watch.fd = -1;
		h->watches[i].heartbeat = h;
	}
	watch_again(h);
}

void heartbeat_stop(struct heartbeat *h)
{
	if (!h->loop)
		return;
	unwatch(h);
	timer_cancel(&h->timer);
	loop_defer_free(h->loop, h->watches);
	h->watches = NULL;
	h->loop = NULL;
	h->is_asked = h->has_reason = false;
}

void heartbeat_limit(struct heartbeat *h, msec limit)
{
	if (h->limit == limit)
		return;
	h->limit = limit;
	if (h->loop && !limit)
		heartbeat_answered(h, h->asked); /* the last question is no longer waited for */
	if (h->loop && !h->is_asked && !timer_is_set(&h->timer))
		watch_again(h);
}
