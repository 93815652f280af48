/* shortage.c - chooses which connection to end when something runs out. */
/* SPDX-License-Identifier: MIT */
#include "proxy/shortage.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/h2_connection.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* Kept for connections to tenants: an eighth of all descriptors, but no more than this. */
#define RESERVED_MAX 1024
/* A younger client may be as fast as any other: its packets are still on the way. */
#define IDLE_GRACE 1000 /* msec */
#define HEAD_GRACE 200
#define BODY_GRACE 1000
/* Bytes a second.  New clients wait rather than have a client ended that is faster than this. */
#define FAST_ENOUGH (16u * 1024)
#define LOOKED_AT   64	/* connections that are compared */
#define ENDS_A_TURN 64	/* for memory */
#define IDLE_TRIES  8	/* idle connections looked at for one that can be closed */
#define LOOK_AGAIN  200 /* msec, while memory is short and no connection may be ended */

/* The lowest free descriptor: that many are open while we start. */
static size_t count_open(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	close(fd);
	return (size_t)fd;
}

size_t shortage_max_sockets(void)
{
	struct rlimit limit;
	size_t most;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	most = (size_t)limit.rlim_cur - MIN((size_t)limit.rlim_cur / 8, (size_t)RESERVED_MAX);
	return most - MIN(most - 1, count_open());
}

/* Of cgroup v2.  UINT64_MAX where there is no limit. */
static uint64_t container_memory(void)
{
	char text[32];
	ssize_t n = file_read_kernel("/sys/fs/cgroup/memory.max", text, sizeof(text));
	uint64_t bytes;

	if (n <= 0 || number_parse(str_trim((str){text, (size_t)n}), UINT64_MAX, &bytes))
		return UINT64_MAX;
	return bytes;
}

size_t shortage_memory_limit(uint64_t configured)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	return configured ? configured : MIN(machine, container_memory()) / 4;
}

/* --- which client is slow --- */

static bool may_end_exchange(const struct exchange *x, uint64_t *ret_rate)
{
	if (clock_usec() - x->began < BODY_GRACE * 1000 || x->trip.is_tunnel)
		return false;
	if (x->step != STEP_RELAY && x->step != STEP_SEND && x->step != STEP_ANSWER)
		return false;
	if (x->reply.pace.owes != CLIENT_TAKES &&
		(x->reply.pace.owes != CLIENT_SENDS || x->reply.answer_began))
		return false;
	*ret_rate = pace_rate(x);
	return true;
}

/* A stream that outlives its exchange has a client that does not take the answer, or does not end
 * its request. */
static bool may_end_stream(const struct h2_client *hc, uint64_t *ret_rate)
{
	*ret_rate = 0;
	if (hc->client.exchange)
		return may_end_exchange(hc->client.exchange, ret_rate);
	return loop_now(hc->client.worker->loop) - hc->over_since >= BODY_GRACE;
}

/* Streams share a socket: it is closed if none of them waits for a tenant, or is new. */
static bool may_end_streams(const struct h2_connection *h2, uint64_t *ret_rate)
{
	uint64_t rate = 0, each;

	list_foreach (st, &h2->session.streams, struct h2_stream, link) {
		if (!may_end_stream(container_of(st, struct h2_client, stream), &each))
			return false;
		rate += each;
	}
	*ret_rate = rate;
	return h2->nclients;
}

/* False for a client that may not be ended.  The rate is in bytes a second. */
static bool may_end(const struct connection *c, uint64_t *ret_rate)
{
	msec spent = loop_now(c->client.worker->loop) - c->since;

	switch (c->phase) {
	case CONNECTION_IDLE:
	case CONNECTION_STREAMS_IDLE:
		return false;
	case CONNECTION_STREAMS:
		return may_end_streams(c->h2, ret_rate);
	case CONNECTION_LINGER:
		*ret_rate = 0; /* it has its answer */
		return true;
	case CONNECTION_HEAD:
		*ret_rate = c->client.in.unread.n * 1000 / MAX(spent, (msec)1);
		return spent >= HEAD_GRACE;
	case CONNECTION_EXCHANGE:
		return may_end_exchange(c->client.exchange, ret_rate);
	}
	return false;
}

/* Those that were looked at go to the end of the list, so that next time others have their turn. */
static struct connection *find_slowest(struct worker *w, uint64_t below)
{
	size_t n = MIN(w->connections.count, (size_t)LOOKED_AT);
	struct connection *slowest = NULL;
	uint64_t lowest = below, rate;

	while (n-- && !list_is_empty(&w->connections.active)) {
		struct list *link = list_pop(&w->connections.active);
		struct connection *c = container_of(link, struct connection, link);

		list_append(&w->connections.active, link);
		if (!may_end(c, &rate) || rate >= lowest)
			continue;
		slowest = c;
		lowest = rate;
	}
	return slowest;
}

/* --- its end --- */

static void note_ended(struct worker *w, const struct connection *c)
{
	size_t n = worker_note_seldom(w, &w->shortage.ended);
	char peer[ADDRESS_TEXT_MAX];

	if (n)
		log_warn(
			"no room for others: %zu of the slowest clients ended, the last of them " STR_FMT,
			n, STR_ARG(address_text(&c->client.peer, peer)));
}

static void blame(struct h2_connection *h2, enum error error)
{
	list_foreach (st, &h2->session.streams, struct h2_stream, link) {
		struct exchange *x = container_of(st, struct h2_client, stream)->client.exchange;

		if (x)
			x->record.error = error;
	}
}

static void end_connection(struct connection *c)
{
	note_ended(c->client.worker, c);
	if (c->h2)
		blame(c->h2, ERROR_CROWDED);
	if (c->phase == CONNECTION_EXCHANGE)
		exchange_wake(c->client.exchange, EVENT_SLOW);
	else
		connection_close(c);
}

static bool end_slowest(struct worker *w, uint64_t below)
{
	struct connection *c = find_slowest(w, below);

	if (c)
		end_connection(c);
	return c;
}

/* --- room --- */

/* The client that has been idle the longest, and for at least this long, makes room.  False if
 * there is none. */
static bool close_idle(struct worker *w, msec idle_for)
{
	struct list *link = w->connections.idle.prev;
	msec now = loop_now(w->loop);

	for (int i = 0; i < IDLE_TRIES && link != &w->connections.idle; i++) {
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

/* Closes the idle connections to tenants.  False if there were none. */
static bool close_upstreams(struct worker *w)
{
	bool has_closed = false;

	for (uint32_t i = 0; i < w->by_slot.ntenants; i++) {
		struct worker_tenant *t = w->by_slot.tenants[i];

		if (!t || list_is_empty(&t->origin.idle))
			continue;
		origin_close_idle(&t->origin);
		has_closed = true;
	}
	return has_closed;
}

bool shortage_make_room(struct worker *w)
{
	MAGIC_CHECK(w, WORKER_MAGIC);
	return close_idle(w, IDLE_GRACE) || end_slowest(w, FAST_ENOUGH) || close_upstreams(w) ||
	       close_idle(w, 0);
}

/* --- later --- */

static void on_shortage_time(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, shortage.timer);

	MAGIC_CHECK(w, WORKER_MAGIC);
	if (w->shortage.wants_descriptors)
		shortage_make_room(w);
	w->shortage.wants_descriptors = false;
	for (int i = 0; i < ENDS_A_TURN && budget_is_over(); i++) {
		if (!end_slowest(w, UINT64_MAX))
			break;
		budget_hand_over();
	}
	if (budget_is_over())
		timer_set(t, w->loop, loop_now(w->loop) + LOOK_AGAIN, on_shortage_time);
}

static void come_later(struct worker *w)
{
	if (!timer_is_set(&w->shortage.timer))
		timer_set(&w->shortage.timer, w->loop, loop_now(w->loop), on_shortage_time);
}

void shortage_watch(struct worker *w)
{
	if (w->shortage.wants_descriptors || budget_is_over())
		come_later(w);
	if (budget_has_ebbed())
		worker_trim_later(w);
}
