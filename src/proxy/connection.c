/* connection.c - feeds a client's bytes to exchanges; one may end while its own call is on the
 * stack. */
/* SPDX-License-Identifier: MIT */
#include "proxy/connection.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "net/socket.h"
#include "proxy/exchange.h"
#include "proxy/h2_connection.h"
#include "proxy/shared.h"
#include "proxy/trust.h"
#include "proxy/worker.h"

/* Requests and reads of one connection before others get their turn. */
#define STEPS_PER_TURN 32
/* Bytes that TCP sends before it hears from the other end (RFC 6928: ten segments). */
#define FIRST_WINDOW 14600

static void connection_run(struct connection *c);

static const struct server_conf *connection_settings(const struct connection *c)
{
	return &c->client.worker->view->conf->server;
}

static bool is_idle(enum connection_phase phase)
{
	return phase == CONNECTION_IDLE || phase == CONNECTION_STREAMS_IDLE;
}

void connection_set_phase(struct connection *c, enum connection_phase phase)
{
	struct worker *w = c->client.worker;

	if (phase == c->phase)
		return;
	if (is_idle(phase) != is_idle(c->phase)) {
		list_remove(&c->link);
		if (is_idle(phase))
			list_push(&w->connections.idle, &c->link);
		else
			list_append(&w->connections.active, &c->link);
	}
	c->since = loop_now(w->loop);
	c->phase = phase;
}

static void on_connection_time(struct timer *t);

void connection_deadline(struct connection *c, msec at)
{
	if (!c->client.is_closed)
		timer_set(&c->timer, c->client.worker->loop, at, on_connection_time);
}

static msec limit_from_now(const struct connection *c, msec limit)
{
	return msec_limit(loop_now(c->client.worker->loop), limit);
}

static void become_idle(struct connection *c)
{
	connection_set_phase(c, CONNECTION_IDLE);
	connection_deadline(c, limit_from_now(c, connection_settings(c)->keepalive_timeout));
}

static void refuse_head(struct connection *c, unsigned status, const struct head_fault *fault)
{
	connection_set_phase(c, CONNECTION_EXCHANGE);
	connection_deadline(c, MSEC_NEVER);
	exchange_refuse(&c->client, status, fault);
}

static void on_connection_time(struct timer *t)
{
	struct connection *c = container_of(t, struct connection, timer);

	MAGIC_CHECK(c, CONNECTION_MAGIC);
	switch (c->phase) {
	case CONNECTION_IDLE:
	case CONNECTION_LINGER:
		connection_close(c);
		return;
	case CONNECTION_HEAD:
		refuse_head(c, 408, NULL);
		return;
	case CONNECTION_EXCHANGE:
		exchange_wake(c->client.exchange, EVENT_CLIENT_TIME);
		return;
	case CONNECTION_STREAMS:
	case CONNECTION_STREAMS_IDLE:
		h2_connection_on_time(c->h2);
		return;
	}
}

static void on_connection_event(struct watch *w, unsigned events)
{
	struct connection *c = container_of(w, struct connection, watch);

	MAGIC_CHECK(c, CONNECTION_MAGIC);
	if (events & LOOP_READ)
		c->client.in.can_read = true;
	if (events & LOOP_EOF)
		c->client.in.saw_eof = true;
	if (events & LOOP_WRITE)
		outbox_unblock(&c->client.out);
	switch (c->phase) {
	case CONNECTION_IDLE:
	case CONNECTION_HEAD:
		if (events & LOOP_HUP)
			connection_close(c);
		else
			connection_run(c);
		return;
	case CONNECTION_STREAMS:
	case CONNECTION_STREAMS_IDLE:
		if (events & LOOP_HUP)
			connection_close(c);
		else
			h2_connection_touch(c->h2);
		return;
	case CONNECTION_EXCHANGE:
		exchange_client_event(c->client.exchange, events);
		return;
	case CONNECTION_LINGER:
		connection_run(c);
		return;
	}
}

static void on_connection_gone(void *arg)
{
	struct connection *c = arg;

	MAGIC_END(c, CONNECTION_MAGIC);
	free(c);
}

void connection_close(struct connection *c)
{
	struct worker *w = c->client.worker;

	MAGIC_CHECK(c, CONNECTION_MAGIC);
	if (c->client.is_closed)
		return;
	c->client.is_closed = true;
	list_remove(&c->link);
	list_remove(&c->client.eager);
	timer_cancel(&c->timer);
	watch_close_fd(&c->watch);
	if (c->client.exchange)
		exchange_client_gone(c->client.exchange);
	if (c->h2)
		h2_connection_close(c->h2);
	inbox_done(&c->client.in);
	outbox_done(&c->client.out);
	if (c->is_counted)
		quota_leave(&w->shared->connections, trust_key(&c->client.peer));
	loop_defer(w->loop, on_connection_gone, c);
	worker_connection_gone(w);
}

static void put_off_close(struct connection *c)
{
	struct worker *w = c->client.worker;
	msec silence = loop_now(w->loop) + CLIENT_LINGER_SILENCE;
	msec limit = w->is_draining ? CLIENT_LINGER_SILENCE : CLIENT_LINGER_LIMIT;

	connection_deadline(c, MIN(silence, c->since + limit));
}

void connection_linger(struct connection *c)
{
	MAGIC_CHECK(c, CONNECTION_MAGIC);
	connection_set_phase(c, CONNECTION_LINGER);
	put_off_close(c);
	inbox_take(&c->client.in, c->client.in.unread.n);
	shutdown(c->watch.fd, SHUT_WR);
}

/* Reads once; false when nothing more can be done now. */
static bool read_and_forget(struct connection *c)
{
	ssize_t n;

	if (!c->client.in.can_read)
		return false;
	n = inbox_read(
		&c->client.in, c->watch.fd, c->client.worker->scratch.client_bytes, CLIENT_READ);
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		connection_close(c);
		return false;
	}
	inbox_take(&c->client.in, c->client.in.unread.n);
	put_off_close(c);
	return true;
}

static void await_head(struct connection *c)
{
	if (c->phase != CONNECTION_IDLE)
		return;
	connection_set_phase(c, CONNECTION_HEAD);
	connection_deadline(c, limit_from_now(c, connection_settings(c)->header_timeout));
}

/* False when more bytes must come first. */
static bool parse_request(struct connection *c)
{
	struct worker *w = c->client.worker;
	const struct server_conf *server = connection_settings(c);
	struct head_limits limits = {
		.max_bytes = server->max_header_bytes,
		.max_headers = (size_t)server->max_headers,
		.max_target = server->max_url_bytes,
	};
	__attribute__((uninitialized)) struct request_head head; /* the parser's to write */
	unsigned status;
	size_t used;

	switch (request_head_parse(&head, scratch_headers_lend(&w->scratch.headers), HEADERS_MAX,
		c->client.in.unread, &c->scanned, &limits, &used, &status)) {
	case PARSE_OK:
		inbox_take(&c->client.in, used);
		c->is_last = !head.keep_alive && head.body == BODY_NONE && !head.has_upgrade;
		connection_set_phase(c, CONNECTION_EXCHANGE);
		connection_deadline(c, MSEC_NEVER);
		exchange_begin(&c->client, &head);
		return true;
	case PARSE_BAD:
		refuse_head(c, status, &head.fault);
		return true;
	case PARSE_MORE:
		break;
	}
	scratch_headers_return(&w->scratch.headers);
	await_head(c);
	return false;
}

/* False when there is nothing to read now, or the connection has been closed. */
static bool read_more(struct connection *c)
{
	ssize_t n;

	if (!c->client.in.can_read)
		return false;
	n = inbox_read(
		&c->client.in, c->watch.fd, c->client.worker->scratch.client_bytes, CLIENT_READ);
	if (n > 0)
		return true;
	if (n != -EAGAIN)
		connection_close(c);
	return false;
}

/* The first bytes of a connection may be HTTP/2's preface (RFC 9113 3.3).  False when more must
 * come first. */
static bool take_first(struct connection *c)
{
	str first = str_slice(c->client.in.unread, 0, H2_PREFACE.n);

	if (!c->may_switch || !str_starts(H2_PREFACE, first)) {
		c->may_switch = false;
		return parse_request(c);
	}
	if (first.n == H2_PREFACE.n) {
		h2_connection_open(c);
		return true;
	}
	await_head(c);
	return false;
}

/* One request or one read; false when nothing more can be done now. */
static bool step_connection(struct connection *c)
{
	switch (c->phase) {
	case CONNECTION_IDLE:
	case CONNECTION_HEAD:
		return (c->client.in.unread.n && take_first(c)) || read_more(c);
	case CONNECTION_EXCHANGE:
	case CONNECTION_STREAMS:
	case CONNECTION_STREAMS_IDLE:
		return false;
	case CONNECTION_LINGER:
		return read_and_forget(c);
	}
	return false;
}

static void run_connection(struct connection *c)
{
	for (int i = 0; i < STEPS_PER_TURN; i++)
		if (!step_connection(c) || c->client.is_closed)
			return;
	worker_go_on_later(&c->client);
}

static void connection_run(struct connection *c)
{
	if (c->is_running)
		return; /* an exchange ended inside our own loop, which continues */
	c->is_running = true;
	run_connection(c);
	c->is_running = false;
	if (!c->client.is_closed)
		inbox_keep(&c->client.in);
}

void connection_drain(struct connection *c)
{
	MAGIC_CHECK(c, CONNECTION_MAGIC);
	if (c->h2) {
		h2_connection_drain(c->h2);
		return;
	}
	c->client.in.can_read = true;
	connection_run(c);
	if (!c->client.is_closed && c->phase == CONNECTION_IDLE)
		connection_close(c);
}

/* --- what an exchange asks of its client --- */

static struct connection *connection_of(struct client *c)
{
	return container_of(c, struct connection, client);
}

static ssize_t http1_read(struct client *c)
{
	return inbox_read(&c->in, c->fd, c->worker->scratch.client_bytes, CLIENT_READ);
}

static void http1_keep_rest(struct client *c)
{
	inbox_keep(&c->in);
}

static void http1_head(struct client *c, str text, bool has_body)
{
	(void)has_body;
	gather_add(&c->worker->scratch.gather, text);
}

static int http1_send(struct client *c)
{
	return outbox_send(&c->out, c->fd, &c->worker->scratch.gather);
}

static int http1_flush(struct client *c)
{
	return outbox_flush(&c->out, c->fd);
}

static void http1_end(struct client *c, str trailers)
{
	(void)c;
	(void)trailers;
}

static void http1_shut(struct client *c)
{
	shutdown(c->fd, SHUT_WR);
}

static size_t http1_unsent(const struct client *c)
{
	return socket_unsent(c->fd);
}

static void http1_deadline(struct client *c, msec at)
{
	connection_deadline(connection_of(c), at);
}

/* The client has said that nothing will follow its request, nothing has, and its answer is on the
 * way.  Should something come after all, the reset that answers it cannot overtake anything. */
static bool is_over(const struct connection *c)
{
	return c->is_last && !c->client.in.unread.n && !c->client.in.can_read &&
	       socket_unsent(c->watch.fd) <= FIRST_WINDOW;
}

static void http1_answered(struct client *client, bool keep_alive)
{
	struct connection *c = connection_of(client);

	MAGIC_CHECK(c, CONNECTION_MAGIC);
	client->exchange = NULL;
	if (client->is_closed)
		return;
	if (keep_alive && !client->worker->is_draining)
		become_idle(c);
	else if (is_over(c))
		connection_close(c);
	else
		connection_linger(c);
	if (!client->is_closed)
		connection_run(c);
}

static void http1_mark_cut(struct client *c)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

static void http1_is_machine(struct client *c)
{
	struct connection *conn = connection_of(c);

	if (conn->is_counted)
		quota_leave(&c->worker->shared->connections, trust_key(&c->peer));
	conn->is_counted = false;
}

static void http1_close(struct client *c)
{
	connection_close(connection_of(c));
}

static void http1_go_on(struct client *client)
{
	struct connection *c = connection_of(client);

	MAGIC_CHECK(c, CONNECTION_MAGIC);
	if (c->phase == CONNECTION_EXCHANGE)
		exchange_wake(client->exchange, EVENT_TURN);
	else if (c->h2)
		h2_connection_go_on(c->h2);
	else
		connection_run(c);
}

static const struct client_ops http1 = {
	.read = http1_read,
	.keep_rest = http1_keep_rest,
	.head = http1_head,
	.send = http1_send,
	.flush = http1_flush,
	.end = http1_end,
	.shut = http1_shut,
	.unsent = http1_unsent,
	.deadline = http1_deadline,
	.answered = http1_answered,
	.mark_cut = http1_mark_cut,
	.close = http1_close,
	.is_machine = http1_is_machine,
	.go_on = http1_go_on,
};

/* Proxies may have as many as they like, since they carry many clients. */
static bool is_limited(const struct worker *w, const struct address *peer)
{
	return w->view->conf->server.max_connections_per_address && trust_key(peer) &&
	       !trust_has(w->view->snapshot->trust, peer);
}

/* False: it has reached its limit. */
static bool count_peer(struct worker *w, const struct address *peer)
{
	uint64_t max = (uint64_t)w->view->conf->server.max_connections_per_address;
	uint64_t quarter = MAX((uint64_t)w->shortage.max_sockets / 4, (uint64_t)1);
	char text[ADDRESS_TEXT_MAX];
	size_t n;

	if (quota_enter(&w->shared->connections, trust_key(peer), MIN(max, quarter)))
		return true;
	n = worker_note_seldom(w, &w->shortage.refused);
	if (n)
		log_warn(STR_FMT " has too many connections (max_connections_per_address);"
				 " %zu more than clients may have were refused",
			STR_ARG(address_text(peer, text)), n);
	return false;
}

void connection_open(struct worker *w, int fd, const struct address *peer)
{
	bool is_counted = is_limited(w, peer);
	struct connection *c;

	MAGIC_CHECK(w, WORKER_MAGIC);
	if (is_counted && !count_peer(w, peer)) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	MAGIC_BEGIN(c, CONNECTION_MAGIC);
	c->is_counted = is_counted;
	c->client = (struct client){.ops = &http1, .worker = w, .peer = *peer, .fd = fd};
	list_init(&c->link);
	list_init(&c->client.eager);
	list_push(&w->connections.idle, &c->link);
	worker_connection_came(w);
	c->since = loop_now(w->loop);
	if (watch_open(&c->watch, w->loop, fd, on_connection_event) < 0) {
		c->watch = (struct watch){.loop = w->loop, .fd = fd};
		connection_close(c);
		return;
	}
	c->may_switch = connection_settings(c)->h2c_enabled;
	become_idle(c);
}
