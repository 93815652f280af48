/* h2_client.c - a stream of HTTP/2 as the client of an exchange. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/h2_connection.h"
#include "proxy/worker.h"

/* An exchange goes on answering as long as no more than this waits in its stream: the equivalent of
 * a socket's buffer for HTTP/1. */
#define QUEUE (16u * 1024)

/* The same where a connection, or all of them together, hold much already: every stream still
 * moves, so that none waits for one that the client does not read. */
#define SHORT_PIECE (4u * 1024)

/* Counted in the budget, roughly: with what the session keeps for it. */
#define STREAM_COST (sizeof(struct h2_client) + 1024)

static struct h2_client *client_of(struct client *c)
{
	return container_of(c, struct h2_client, client);
}

static const struct server_conf *client_settings(const struct h2_client *hc)
{
	return &hc->client.worker->view->conf->server;
}

/* --- what an exchange asks of its client --- */

static ssize_t h2_read(struct client *c)
{
	size_t before = c->in.kept.cap;
	ssize_t n;

	if (c->in.unread.n)
		inbox_keep(&c->in);
	else
		buf_clear(&c->in.kept);
	n = h2_stream_read(&client_of(c)->stream, &c->in.kept, CLIENT_READ);
	budget_resize(before, c->in.kept.cap);
	c->in.unread = buf_str(&c->in.kept);
	if (n > 0)
		h2_connection_touch(client_of(c)->h2); /* the window has been given back */
	else
		c->in.can_read = false;
	return n;
}

static void h2_keep_rest(struct client *c)
{
	inbox_keep(&c->in);
}

static void count_bytes(struct h2_client *hc, size_t n)
{
	budget_resize(hc->counted, n);
	hc->counted = n;
}

static void h2_head(struct client *c, str text, bool has_body)
{
	count_bytes(client_of(c),
		STREAM_COST + text.n); /* it waits in the session, and may not be sent */
	h2_stream_head(&client_of(c)->stream, text, has_body);
	h2_connection_touch(client_of(c)->h2);
}

static int h2_send(struct client *c)
{
	struct h2_client *hc = client_of(c);
	struct gather *g = &c->worker->scratch.gather;

	for (int i = 0; i < g->count; i++)
		h2_stream_write(&hc->stream, (str){g->pieces[i].iov_base, g->pieces[i].iov_len});
	gather_forget(g);
	c->out.is_blocked =
		h2_stream_waiting(&hc->stream) > (h2_connection_is_short(hc->h2) ? 0 : QUEUE);
	h2_connection_touch(hc->h2);
	return c->is_closed ? -EPIPE : 0;
}

/* What is waiting, waits in the stream. */
static int h2_flush(struct client *c)
{
	(void)c;
	return 0;
}

/* The exchange is about to end, and is logged with all that it has sent. */
static void keep_request(struct h2_client *hc)
{
	const struct exchange *x = hc->client.exchange;

	if (x && x->is_logged && !hc->request && h2_stream_waiting(&hc->stream))
		hc->request = str_dup(x->record.request_id);
}

/* The rest of an ended exchange's answer will not be sent. */
static void tell_cut(struct h2_client *hc, enum error error)
{
	size_t unsent = h2_stream_waiting(&hc->stream);
	char peer[ADDRESS_TEXT_MAX];

	if (unsent && hc->request)
		access_log_cut(
			str_of(hc->request), address_text(&hc->client.peer, peer), error, unsent);
	free(hc->request);
	hc->request = NULL;
}

static void h2_end(struct client *c, str trailers)
{
	keep_request(client_of(c));
	h2_stream_end(&client_of(c)->stream, trailers);
	h2_connection_touch(client_of(c)->h2);
}

static void h2_shut(struct client *c)
{
	h2_end(c, STR_EMPTY);
}

static size_t h2_unsent(const struct client *c)
{
	const void *at = (const char *)c - offsetof(struct h2_client, client);
	const struct h2_client *hc = at;

	return h2_stream_waiting(&hc->stream);
}

static size_t h2_piece(const struct client *c)
{
	const void *at = (const char *)c - offsetof(struct h2_client, client);
	const struct h2_client *hc = at;

	return h2_connection_is_short(hc->h2) ? SHORT_PIECE : SIZE_MAX;
}

static void cut(struct h2_client *hc)
{
	tell_cut(hc, ERROR_WRITE_TIMEOUT);
	h2_stream_reset(&hc->stream, NGHTTP2_CANCEL);
}

static void on_stream_time(struct timer *t)
{
	struct h2_client *hc = container_of(t, struct h2_client, timer);

	MAGIC_CHECK(hc, H2_CLIENT_MAGIC);
	if (hc->client.exchange)
		exchange_wake(hc->client.exchange, EVENT_CLIENT_TIME);
	else if (!hc->unsent)
		h2_stream_reset(&hc->stream, NGHTTP2_NO_ERROR); /* RFC 9113 8.1 */
	else if (h2_stream_waiting(&hc->stream) < hc->unsent)
		h2_client_finish(hc);
	else
		cut(hc);
	h2_connection_touch(hc->h2);
}

static void h2_deadline(struct client *c, msec at)
{
	if (!c->is_closed)
		timer_set(&client_of(c)->timer, c->worker->loop, at, on_stream_time);
}

static void h2_answered(struct client *c, bool keep_alive)
{
	struct h2_client *hc = client_of(c);

	(void)keep_alive;
	c->exchange = NULL;
	if (c->is_closed)
		return;
	timer_cancel(&hc->timer);
	hc->over_since = loop_now(c->worker->loop);
	inbox_keep(&c->in); /* what has been used is given back */
	h2_stream_ignore(&hc->stream);
	list_append(&hc->h2->finishing, &hc->finishing);
	h2_connection_touch(hc->h2);
}

static void h2_mark_cut(struct client *c)
{
	h2_stream_reset(&client_of(c)->stream, NGHTTP2_INTERNAL_ERROR);
}

static void h2_close(struct client *c)
{
	struct h2_client *hc = client_of(c);

	if (c->is_closed)
		return;
	c->is_closed = true;
	timer_cancel(&hc->timer);
	h2_stream_reset(
		&hc->stream, hc->stream.is_tunnel ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
	h2_connection_touch(hc->h2);
	if (c->exchange)
		exchange_client_gone(c->exchange);
}

static bool h2_accepts(struct client *c, const struct response_head *h)
{
	const struct h2_stream *st = &client_of(c)->stream;

	if (!st->is_extended || h->status / 100 > 2)
		return true;
	return h->status == 101 &&
	       websocket_is_accepted((str){st->key, sizeof(st->key)},
		       header_value(h->headers, h->nheaders, HEADER_SEC_WEBSOCKET_ACCEPT));
}

static void h2_go_on(struct client *c)
{
	if (c->exchange)
		exchange_wake(c->exchange, EVENT_TURN);
}

static const struct client_ops http2 = {
	.read = h2_read,
	.keep_rest = h2_keep_rest,
	.head = h2_head,
	.send = h2_send,
	.flush = h2_flush,
	.end = h2_end,
	.shut = h2_shut,
	.unsent = h2_unsent,
	.deadline = h2_deadline,
	.answered = h2_answered,
	.mark_cut = h2_mark_cut,
	.close = h2_close,
	.accepts = h2_accepts,
	.piece = h2_piece,
	.go_on = h2_go_on,
};

/* --- its life --- */

struct h2_stream *h2_client_open(struct h2_session *s)
{
	struct h2_connection *h2 = container_of(s, struct h2_connection, session);
	const struct client *c = &h2->connection->client;
	struct h2_client *hc = xcalloc(1, sizeof(*hc));

	MAGIC_CHECK(h2, H2_CONNECTION_MAGIC);
	MAGIC_BEGIN(hc, H2_CLIENT_MAGIC);
	hc->h2 = h2;
	hc->client = (struct client){
		.ops = &http2, .worker = c->worker, .peer = c->peer, .fd = -1, .is_framed = true};
	list_init(&hc->client.eager);
	list_init(&hc->finishing);
	count_bytes(hc, STREAM_COST);
	hc->over_since = loop_now(c->worker->loop);
	h2->nclients++;
	h2->began = true;
	return &hc->stream;
}

static void begin_request(struct h2_client *hc)
{
	struct worker *w = hc->client.worker;
	struct head_limits limits = {
		.max_bytes = SIZE_MAX, /* the session has counted */
		.max_headers = (size_t)client_settings(hc)->max_headers,
		.max_target = client_settings(hc)->max_url_bytes,
	};
	struct request_head head;
	unsigned status = hc->stream.status;
	size_t used, scanned = 0;

	if (status) {
		exchange_refuse(&hc->client, status, NULL);
	} else if (request_head_parse(&head, scratch_headers_lend(&w->scratch.headers), HEADERS_MAX,
			   h2_stream_text(&hc->stream), &scanned, &limits, &used,
			   &status) == PARSE_OK) {
		exchange_begin(&hc->client, &head);
	} else {
		exchange_refuse(&hc->client, status, &head.fault);
	}
}

static void on_stream_gone(void *arg)
{
	struct h2_client *hc = arg;

	MAGIC_END(hc, H2_CLIENT_MAGIC);
	free(hc);
}

static void free_client(struct h2_client *hc)
{
	list_remove(&hc->client.eager);
	list_remove(&hc->finishing);
	timer_cancel(&hc->timer);
	inbox_done(&hc->client.in);
	outbox_done(&hc->client.out);
	free(hc->request);
	count_bytes(hc, 0);
	h2_stream_done(&hc->stream);
	hc->h2->nclients--;
	loop_defer(hc->client.worker->loop, on_stream_gone, hc);
}

void h2_client_close(struct h2_client *hc)
{
	struct client *c = &hc->client;

	MAGIC_CHECK(hc, H2_CLIENT_MAGIC);
	c->is_closed = true;
	if (c->exchange)
		exchange_client_gone(c->exchange);
	else
		tell_cut(hc, ERROR_CLIENT_GONE);
	free_client(hc);
}

void h2_client_events(struct h2_client *hc, unsigned events)
{
	struct client *c = &hc->client;

	MAGIC_CHECK(hc, H2_CLIENT_MAGIC);
	if (events & H2_GONE) {
		h2_client_close(hc);
		return;
	}
	if (events & H2_INPUT)
		c->in.can_read = true;
	if (events & H2_ROOM)
		outbox_unblock(&c->out);
	if (events & H2_REQUEST)
		begin_request(hc);
	else if (c->exchange)
		exchange_client_event(c->exchange, LOOP_READ | LOOP_WRITE);
	else if (!c->is_closed)
		h2_client_finish(hc);
}

/* The answer has been sent, and the client is still sending: either it sees the answer when it is
 * done, or it stops because it has seen it.  A reset would lose the answer for simpler clients. */
static void linger(struct h2_client *hc)
{
	struct worker *w = hc->client.worker;
	msec now = loop_now(w->loop), silence = CLIENT_LINGER_SILENCE;

	if (hc->stream.in.has_ended) {
		timer_cancel(&hc->timer);
		return;
	}
	if (hc->stream.in.came >= hc->stream.in.declared)
		silence = CLIENT_LINGER_LIMIT; /* it has nothing more to send but its end */
	if (!hc->linger_until)
		hc->linger_until =
			now + (w->is_draining ? CLIENT_LINGER_SILENCE : CLIENT_LINGER_LIMIT);
	timer_set(&hc->timer, w->loop, MIN(now + silence, hc->linger_until), on_stream_time);
}

void h2_client_finish(struct h2_client *hc)
{
	struct worker *w = hc->client.worker;
	msec limit =
		hc->client.is_hurried ? CLIENT_LINGER_SILENCE : client_settings(hc)->write_timeout;

	MAGIC_CHECK(hc, H2_CLIENT_MAGIC);
	list_remove(&hc->finishing);
	hc->unsent = h2_stream_waiting(&hc->stream);
	if (hc->unsent)
		timer_set(
			&hc->timer, w->loop, msec_limit(loop_now(w->loop), limit), on_stream_time);
	else
		linger(hc);
}
