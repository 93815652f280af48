/* h2_connection.c - reads and writes in turns, and ends when nothing is left. */
/* SPDX-License-Identifier: MIT */
#include "proxy/h2_connection.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/log.h"
#include "proxy/connection.h"
#include "proxy/worker.h"

/* Reads and writes of one connection before others get their turn. */
#define STEPS_PER_TURN 16

/* How many bytes may be held for streams before each gets little: for one connection, and for
 * all. */
#define HELD_MAX     (512u * 1024)
#define ALL_HELD_MAX (32u * 1024 * 1024)
/* A flood of this size leaves holes in the heap, which are given back when most of it is over. */
#define FLOOD (4u * 1024 * 1024)

static _Atomic size_t all_held, most_held;

static struct worker *worker_of(const struct h2_connection *h2)
{
	return h2->connection->client.worker;
}

static const struct server_conf *h2_settings(const struct h2_connection *h2)
{
	return &worker_of(h2)->view->conf->server;
}

static bool is_closed(const struct h2_connection *h2)
{
	return h2->connection->client.is_closed || !h2->connection->h2;
}

static bool is_scarce(void)
{
	return atomic_load_explicit(&all_held, memory_order_relaxed) > ALL_HELD_MAX;
}

bool h2_connection_is_short(const struct h2_connection *h2)
{
	MAGIC_CHECK(h2, H2_CONNECTION_MAGIC);
	return h2->session.waiting > HELD_MAX || is_scarce();
}

static void note_most(size_t all)
{
	size_t most = atomic_load_explicit(&most_held, memory_order_relaxed);

	while (all > most && !atomic_compare_exchange_weak(&most_held, &most, all))
		;
}

/* A flood is over. */
static bool has_ebbed(size_t all)
{
	size_t most = atomic_load_explicit(&most_held, memory_order_relaxed);

	return most > FLOOD && all < most / 4 && atomic_exchange(&most_held, all) > FLOOD;
}

/* Counts what it holds now. */
static void count_held(struct h2_connection *h2, size_t held)
{
	size_t before = h2->held, all;

	if (held == before)
		return;
	budget_resize(before, held);
	all = atomic_fetch_add(&all_held, held - before) + (held - before);
	h2->held = held;
	h2->session.max_received = is_scarce() ? H2_RECEIVED_SHORT : H2_RECEIVED_MAX;
	if (held > before)
		note_most(all);
	else if (has_ebbed(all))
		worker_trim_later(worker_of(h2));
}

/* Streams report what the last frames, in or out, have done to them. */
static void serve_streams(struct h2_connection *h2)
{
	struct h2_stream *st;
	unsigned events;

	while (!is_closed(h2) && (st = h2_session_next(&h2->session, &events)))
		h2_client_events(container_of(st, struct h2_client, stream), events);
}

/* One read.  False when there is nothing to read now, or the connection has been closed. */
static bool read_once(struct h2_connection *h2)
{
	struct client *c = &h2->connection->client;
	ssize_t n;

	if (!c->in.can_read || c->out.is_blocked || h2->session.is_dead)
		return false;
	n = inbox_read(&c->in, c->fd, c->worker->scratch.client_bytes, CLIENT_READ);
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		connection_close(h2->connection);
		return false;
	}
	h2_session_feed(&h2->session, c->in.unread, loop_now(c->worker->loop));
	inbox_take(&c->in, c->in.unread.n);
	serve_streams(h2);
	return !is_closed(h2);
}

/* One write of all that can be sent now.  False when there is nothing to send, no room for it, or
 * the connection has been closed. */
static bool write_once(struct h2_connection *h2)
{
	struct client *c = &h2->connection->client;
	struct buf *out = &h2->session.out;
	ssize_t n;

	if (c->out.is_blocked)
		return false;
	h2_session_pump(&h2->session);
	serve_streams(h2);
	if (is_closed(h2) || !buf_len(out))
		return false;
	n = send(c->fd, buf_str(out).p, buf_len(out), MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		connection_close(h2->connection);
		return false;
	}
	n = MAX(n, 0);
	h2->moved |= n > 0;
	c->out.is_blocked = (size_t)n < buf_len(out);
	buf_consume(out, (size_t)n);
	if (!buf_len(out) && out->cap > H2_OUT_KEPT)
		buf_done(out);
	return !c->out.is_blocked;
}

static enum h2_owes owed(const struct h2_connection *h2)
{
	if (h2->connection->client.out.is_blocked)
		return H2_TAKES;
	if (h2_session_is_in_head(&h2->session))
		return H2_ENDS_HEAD;
	return h2->nclients ? H2_FREE : H2_BEGINS;
}

static msec limit_of_debt(const struct h2_connection *h2, enum h2_owes owes)
{
	switch (owes) {
	case H2_FREE:
		return 0;
	case H2_TAKES:
		return h2_settings(h2)->write_timeout;
	case H2_ENDS_HEAD:
		return h2_settings(h2)->header_timeout;
	case H2_BEGINS:
		return h2_settings(h2)->keepalive_timeout;
	}
	return 0;
}

static void set_debt_deadline(struct h2_connection *h2, enum h2_owes owes)
{
	msec limit = limit_of_debt(h2, owes);

	h2->owes = owes;
	if (owes == H2_TAKES)
		h2->unsent = socket_unsent(h2->connection->client.fd);
	connection_deadline(h2->connection, msec_limit(loop_now(worker_of(h2)->loop), limit));
}

static void update_deadline(struct h2_connection *h2)
{
	enum h2_owes owes = owed(h2);

	if (owes != h2->owes || (owes == H2_TAKES && h2->moved) || (owes == H2_BEGINS && h2->began))
		set_debt_deadline(h2, owes);
	h2->moved = h2->began = false;
}

/* The answers of ended exchanges have been framed, or are limited in time from now on. */
static void finish_clients(struct h2_connection *h2)
{
	list_foreach_safe (hc, &h2->finishing, struct h2_client, finishing)
		h2_client_finish(hc);
}

static void log_fault(const struct h2_connection *h2)
{
	char peer[ADDRESS_TEXT_MAX];
	str address = address_text(&h2->connection->client.peer, peer);

	if (h2->session.fault)
		log_info("HTTP/2 connection of " STR_FMT " ended: %s", STR_ARG(address),
			h2->session.fault);
}

/* Between two turns of a connection that lives. */
static void rest_connection(struct h2_connection *h2)
{
	struct connection *c = h2->connection;

	finish_clients(h2);
	count_held(h2, h2->session.waiting + h2->session.received);
	if (!buf_len(&h2->session.out) && h2_session_is_over(&h2->session)) {
		log_fault(h2);
		h2_connection_close(h2);
		connection_linger(c);
		return;
	}
	if (!h2->nclients)
		h2_session_rest(&h2->session);
	connection_set_phase(c, h2->nclients ? CONNECTION_STREAMS : CONNECTION_STREAMS_IDLE);
	update_deadline(h2);
}

/* A connection that is being served is not idle: one of its own streams may look for an idle one to
 * close. */
static void begin_turn(struct h2_connection *h2)
{
	h2->is_running = true;
	connection_set_phase(h2->connection, CONNECTION_STREAMS);
}

static void run_turn(struct h2_connection *h2)
{
	int reads = 0, writes = 0;

	begin_turn(h2);
	while (reads < STEPS_PER_TURN && read_once(h2))
		reads++;
	while (!is_closed(h2) && writes < STEPS_PER_TURN && write_once(h2))
		writes++;
	h2->is_running = false;
	if (is_closed(h2))
		return;
	if (reads == STEPS_PER_TURN || writes == STEPS_PER_TURN)
		worker_go_on_later(&h2->connection->client);
	rest_connection(h2);
}

static void on_dirty(void *arg)
{
	struct h2_connection *h2 = arg;

	MAGIC_CHECK(h2, H2_CONNECTION_MAGIC);
	h2->is_dirty = false;
	if (!is_closed(h2))
		run_turn(h2);
}

void h2_connection_touch(struct h2_connection *h2)
{
	MAGIC_CHECK(h2, H2_CONNECTION_MAGIC);
	if (h2->is_running || h2->is_dirty || is_closed(h2))
		return;
	h2->is_dirty = true;
	loop_defer(worker_of(h2)->loop, on_dirty, h2);
}

void h2_connection_open(struct connection *c)
{
	struct h2_connection *h2 = xcalloc(1, sizeof(*h2));
	const struct server_conf *server = &c->client.worker->view->conf->server;
	struct h2_conf conf = {
		.max_streams = (unsigned)server->h2_max_streams,
		.max_header_bytes = server->max_header_bytes,
		.open = h2_client_open,
	};

	MAGIC_CHECK(c, CONNECTION_MAGIC);
	MAGIC_BEGIN(h2, H2_CONNECTION_MAGIC);
	h2->connection = c;
	c->h2 = h2;
	list_init(&h2->finishing);
	h2_session_open(&h2->session, &conf);
	begin_turn(h2);
	h2_session_feed(&h2->session, c->client.in.unread, loop_now(c->client.worker->loop));
	inbox_take(&c->client.in, c->client.in.unread.n);
	serve_streams(h2);
	h2->is_running = false;
	h2_connection_touch(h2);
}

static void on_h2_gone(void *arg)
{
	struct h2_connection *h2 = arg;

	MAGIC_END(h2, H2_CONNECTION_MAGIC);
	free(h2);
}

void h2_connection_close(struct h2_connection *h2)
{
	MAGIC_CHECK(h2, H2_CONNECTION_MAGIC);
	list_foreach_safe (st, &h2->session.streams, struct h2_stream, link)
		h2_client_close(container_of(st, struct h2_client, stream));
	count_held(h2, 0);
	h2_session_done(&h2->session);
	h2->connection->h2 = NULL;
	loop_defer(worker_of(h2)->loop, on_h2_gone, h2);
}

void h2_connection_on_time(struct h2_connection *h2)
{
	MAGIC_CHECK(h2, H2_CONNECTION_MAGIC);
	switch (h2->owes) {
	case H2_FREE:
		return;
	case H2_TAKES:
		if (socket_unsent(h2->connection->client.fd) < h2->unsent)
			set_debt_deadline(h2, H2_TAKES);
		else
			connection_close(h2->connection);
		return;
	case H2_ENDS_HEAD:
		connection_close(h2->connection);
		return;
	case H2_BEGINS:
		h2_connection_drain(h2);
		return;
	}
}

void h2_connection_go_on(struct h2_connection *h2)
{
	MAGIC_CHECK(h2, H2_CONNECTION_MAGIC);
	run_turn(h2);
}

void h2_connection_drain(struct h2_connection *h2)
{
	MAGIC_CHECK(h2, H2_CONNECTION_MAGIC);
	if (h2->is_draining)
		return;
	h2->is_draining = true;
	begin_turn(h2);
	h2->connection->client.in.can_read = true;
	for (int i = 0; i < STEPS_PER_TURN && read_once(h2); i++)
		; /* requests that have just come are served */
	h2->is_running = false;
	if (is_closed(h2))
		return;
	h2_session_drain(&h2->session);
	h2_connection_touch(h2);
}
