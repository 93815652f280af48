/* worker_upkeep.c - what comes up between a worker's requests: those that gave way go on, files are
 * closed, memory is given back, others are told. */
/* SPDX-License-Identifier: MIT */
#include <malloc.h>

#include "base/log.h"
#include "proxy/client.h"
#include "proxy/shared.h"
#include "proxy/worker.h"

#define TELL_EVERY 10000 /* msec */
#define TRIM_AFTER 1000	 /* msec, when what belongs to it has been freed too */

void worker_wake(struct worker *w, struct worker_tenant *t)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (t->wake_sent)
		return;
	t->wake_sent = true;
	w->shared->ops->wake(w->shared, t->slot);
}

static void end_drain(struct worker *w)
{
	log_publish(); /* the last lines, before the process ends */
	w->shared->ops->drained(w->shared);
}

void worker_connection_came(struct worker *w)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	w->connections.count++;
	shared_add(&w->shared->nconnections);
}

void worker_connection_gone(struct worker *w)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	w->connections.count--;
	shared_remove(&w->shared->nconnections);
	if (timer_is_set(&w->accepting.retry)) /* there is room: the next one comes now */
		timer_set(&w->accepting.retry, w->loop, loop_now(w->loop),
			w->accepting.retry.on_time);
	if (w->is_draining && !w->connections.count)
		end_drain(w);
}

static void on_eager(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, eager.timer);
	struct list now;

	MAGIC_CHECK(w, WORKER_MAGIC);
	list_take_all(&now, &w->eager.clients);
	while (!list_is_empty(&now))
		client_go_on(container_of(list_pop(&now), struct client, eager));
}

void worker_go_on_later(struct client *c)
{
	struct worker *w = c->worker;

	list_remove(&c->eager);
	list_append(&w->eager.clients, &c->eager);
	timer_set(&w->eager.timer, w->loop, loop_now(w->loop), on_eager);
}

static void on_trim(struct timer *t)
{
	(void)t;
	malloc_trim(0);
}

void worker_trim_later(struct worker *w)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	if (!timer_is_set(&w->trim_timer))
		timer_set(&w->trim_timer, w->loop, loop_now(w->loop) + TRIM_AFTER, on_trim);
}

size_t worker_note_seldom(struct worker *w, struct seldom *s)
{
	size_t n = ++s->count;

	MAGIC_CHECK(w, WORKER_MAGIC);
	if (loop_now(w->loop) < s->next)
		return 0;
	*s = (struct seldom){.next = loop_now(w->loop) + TELL_EVERY};
	return n;
}

static void on_sweep(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, files.sweep_timer);
	msec now = loop_now(w->loop);
	bool has_public = open_files_sweep(&w->files.public, now);

	MAGIC_CHECK(w, WORKER_MAGIC);
	if (open_files_sweep(&w->files.sent, now) || has_public)
		worker_sweep_files(w);
}

void worker_sweep_files(struct worker *w)
{
	if (!timer_is_set(&w->files.sweep_timer))
		timer_set(&w->files.sweep_timer, w->loop, loop_now(w->loop) + OPEN_FILES_VALID,
			on_sweep);
}
