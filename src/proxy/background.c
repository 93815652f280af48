/* background.c - a client without a connection, which lives in its own arena. */
/* SPDX-License-Identifier: MIT */
#include "proxy/background.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

struct background {
	struct client client;
	struct timer timer;
	struct arena heads; /* until it begins */
	struct request_head *head;
};

static struct background *background_of(struct client *c)
{
	return container_of(c, struct background, client);
}

static void end_background(struct client *c)
{
	struct background *b = background_of(c);

	if (c->is_closed)
		return;
	c->is_closed = true;
	timer_cancel(&b->timer);
	list_remove(&c->eager);
	outbox_done(&c->out);
	loop_defer_free(c->worker->loop, b);
	worker_connection_gone(c->worker);
}

static ssize_t read_nothing(struct client *c)
{
	(void)c;
	return -EAGAIN;
}

static void on_keep_rest(struct client *c)
{
	(void)c;
}

static void on_head(struct client *c, str text, bool has_body)
{
	(void)c;
	(void)text;
	(void)has_body;
}

static int on_send(struct client *c)
{
	gather_forget(&c->worker->scratch.gather);
	return 0;
}

static int on_flush(struct client *c)
{
	(void)c;
	return 0;
}

static void on_end(struct client *c, str trailers)
{
	(void)c;
	(void)trailers;
}

static void on_shut(struct client *c)
{
	(void)c;
}

static size_t on_unsent(const struct client *c)
{
	(void)c;
	return 0;
}

static void on_background_time(struct timer *t)
{
	struct background *b = container_of(t, struct background, timer);

	if (b->client.exchange)
		exchange_wake(b->client.exchange, EVENT_CLIENT_TIME);
}

static void on_deadline(struct client *c, msec at)
{
	struct background *b = background_of(c);

	if (at == MSEC_NEVER)
		timer_cancel(&b->timer);
	else
		timer_set(&b->timer, c->worker->loop, at, on_background_time);
}

static void on_answered(struct client *c, bool keep_alive)
{
	(void)keep_alive;
	c->exchange = NULL;
	end_background(c);
}

static void on_mark_cut(struct client *c)
{
	(void)c;
}

static void on_close(struct client *c)
{
	if (c->exchange)
		exchange_client_gone(c->exchange);
	end_background(c);
}

static void on_go_on(struct client *c)
{
	if (c->exchange)
		exchange_wake(c->exchange, EVENT_TURN);
}

static const struct client_ops ops = {
	.read = read_nothing,
	.keep_rest = on_keep_rest,
	.head = on_head,
	.send = on_send,
	.flush = on_flush,
	.end = on_end,
	.shut = on_shut,
	.unsent = on_unsent,
	.deadline = on_deadline,
	.answered = on_answered,
	.mark_cut = on_mark_cut,
	.close = on_close,
	.go_on = on_go_on,
};

/* --- its request: the bytes it came in are gone by the time it begins --- */

static void on_begin(void *arg)
{
	struct background *b = arg;
	struct arena heads = b->heads;

	exchange_begin(&b->client, b->head);
	arena_done(&heads);
}

void background_begin(struct worker *w, const struct request_head *head, const struct address *peer)
{
	struct background *b = xcalloc(1, sizeof(*b));
	struct client *c = &b->client;

	MAGIC_CHECK(w, WORKER_MAGIC);
	c->ops = &ops;
	c->worker = w;
	c->peer = *peer;
	c->fd = -1;
	c->is_background = true;
	list_init(&c->eager);
	worker_connection_came(w); /* a drain waits for it */
	b->head = request_head_copy(&b->heads, head);
	loop_defer(w->loop, on_begin, b);
}
