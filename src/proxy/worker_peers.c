/* worker_peers.c - what a worker is told of other machines, and whom it tells. */
/* SPDX-License-Identifier: MIT */
#include "proxy/worker_peers.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/exchange.h"
#include "proxy/worker_int.h"

/* msec, all of these. */
#define CONNECT_LIMIT 3000  /* a machine that sleeps does not say so: it says nothing */
#define IDLE_LIMIT    10000 /* one that has gone to sleep since has no connection of ours */
/* What must not be sent twice finds out by a connection of its own that a machine sleeps. */
#define FRESH_FOR   100
#define SURE_FOR    10000 /* after that nobody knows: it may have gone to sleep */
#define PAUSE_FIRST 50
#define PAUSE_LAST  1000
#define FAILED_FOR  1000  /* what failed is not asked for again */
#define BACK_WITHIN 10000 /* one that has just died may only be started again */
#define ASK_AGAIN   10000 /* nothing came of the last question */
/* The other machine has limits of its own, which are the same or nearly so, and reports them
 * better. */
#define PEER_GRACE   5000
#define STREAM_GRACE 2000 /* as for tenants that end */

static struct worker_peer *peer_new(struct worker *w, str name)
{
	struct worker_peer *p = xcalloc(1, sizeof(*p));

	MAGIC_BEGIN(p, PEER_MAGIC);
	p->name = str_dup(name);
	origin_init(&p->origin, w, &w->origins.of_machines, &p->connections);
	list_init(&p->held);
	list_init(&p->streams);
	map_put(&w->origins.peers, str_of(p->name), p);
	return p;
}

static void peer_free(struct worker_peer *p)
{
	assert(!p->nexchanges);
	map_remove(&p->origin.worker->origins.peers, str_of(p->name));
	timer_cancel(&p->streams_end);
	origin_close(&p->origin);
	origin_done(&p->origin);
	free(p->reason);
	free(p->name);
	MAGIC_END(p, PEER_MAGIC);
	loop_defer_free(p->origin.worker->loop, p);
}

struct worker_peer *worker_peer(struct worker *w, str name)
{
	struct worker_peer *p = map_get(&w->origins.peers, name);

	MAGIC_CHECK(w, WORKER_MAGIC);
	if (!p)
		p = peer_new(w, name);
	p->nexchanges++;
	return p;
}

static bool is_needed(const struct worker_peer *p)
{
	return p->nexchanges || config_find_machine(p->origin.worker->view->conf, str_of(p->name));
}

void worker_leave_peer(struct worker_peer *p)
{
	if (!p)
		return;
	MAGIC_CHECK(p, PEER_MAGIC);
	p->nexchanges--;
}

void worker_reach(struct worker_peer *p)
{
	struct worker *w = p->origin.worker;
	msec now = loop_now(w->loop);

	MAGIC_CHECK(p, PEER_MAGIC);
	if (p->asked && now < p->asked + ASK_AGAIN)
		return;
	p->asked = now;
	log_debug("machine %s is asked for", p->name);
	w->shared->ops->reach(w->shared, str_of(p->name), p->origin.generation);
}

void worker_peer_failed(struct worker_peer *p, bool was_there)
{
	msec now = loop_now(p->origin.worker->loop);

	MAGIC_CHECK(p, PEER_MAGIC);
	if (was_there)
		p->seen = now;
	if (now < p->again)
		return; /* one failure, seen by several */
	p->pause = p->pause ? MIN(2 * p->pause, (msec)PAUSE_LAST) : PAUSE_FIRST;
	p->again = now + p->pause;
}

/* --- what the supervisor says --- */

static void tell_held(struct worker_peer *p, enum event event)
{
	struct list all;

	list_take_all(&all, &p->held);
	while (!list_is_empty(&all)) {
		struct exchange *x = container_of(list_pop(&all), struct exchange, link);

		list_append(&p->held, &x->link);
		exchange_wake(x, event);
	}
}

void worker_peer_answered(struct worker_peer *p)
{
	MAGIC_CHECK(p, PEER_MAGIC);
	p->seen = loop_now(p->origin.worker->loop);
	p->sure_until = p->seen + SURE_FOR;
	p->again = p->pause = 0;
}

bool worker_peer_is_there(const struct worker_peer *p)
{
	return p->is_told && p->state == MACHINE_THERE &&
	       loop_now(p->origin.worker->loop) < p->sure_until;
}

bool worker_peer_is_lost(const struct worker_peer *p)
{
	msec now = loop_now(p->origin.worker->loop);

	return p->is_told && p->state == MACHINE_FAILED && now < p->again &&
	       (!p->seen || now >= p->seen + BACK_WITHIN);
}

static void fail_peer(struct worker_peer *p, str reason)
{
	p->state = MACHINE_FAILED;
	free(p->reason);
	p->reason = str_dup(reason);
	p->again = loop_now(p->origin.worker->loop) + FAILED_FOR;
}

/* Where it was not reached it is tried again after a pause, whoever says that it is there. */
static void locate_peer(struct worker_peer *p, uint32_t generation, const struct endpoint *at)
{
	char before[ENDPOINT_TEXT_MAX], now[ENDPOINT_TEXT_MAX];

	p->state = MACHINE_THERE;
	p->sure_until = loop_now(p->origin.worker->loop) + SURE_FOR;
	if (!str_eq(endpoint_text(&p->origin.at, before), endpoint_text(at, now)))
		p->again = p->pause = 0;
	else
		p->again = MIN(p->again, loop_now(p->origin.worker->loop) + p->pause);
	p->origin.at = *at;
	origin_follow(&p->origin, generation);
}

static void take_news(
	struct worker_peer *p, enum machine_state state, uint32_t generation, str text)
{
	struct endpoint at;

	switch (state) {
	case MACHINE_COMING:
		p->state = state;
		return;
	case MACHINE_THERE:
		if (endpoint_parse(text, &at) == 0)
			locate_peer(p, generation, &at);
		else
			fail_peer(p, STR("it has no address that can be used"));
		return;
	case MACHINE_FAILED:
		fail_peer(p, text);
		return;
	}
}

struct posted_machine {
	struct worker *worker;
	enum machine_state state;
	uint32_t generation;
	char *words;
};

static void on_machine(void *arg)
{
	struct posted_machine *m = arg;
	str words = str_of(m->words);
	ssize_t blank = str_find_char(words, ' ');
	size_t end = blank < 0 ? words.n : (size_t)blank;
	struct worker_peer *p = map_get(&m->worker->origins.peers, str_slice(words, 0, end));

	MAGIC_CHECK(m->worker, WORKER_MAGIC);
	if (p) { /* else another thread has asked */
		p->asked = m->state == MACHINE_COMING ? p->asked : 0;
		take_news(p, m->state, m->generation, str_slice(words, end + 1, words.n));
		p->is_told = true;
		tell_held(p, EVENT_STATE);
	}
	free(m->words);
	free(m);
}

void worker_post_machine(struct worker *w, enum machine_state state, uint32_t generation, str words)
{
	struct posted_machine *m = xmalloc(sizeof(*m));

	MAGIC_CHECK(w, WORKER_MAGIC);
	*m = (struct posted_machine){w, state, generation, str_dup(words)};
	loop_post(w->loop, on_machine, m);
}

/* --- the end, and other configurations --- */

static void on_streams_end(struct timer *timer)
{
	worker_dismiss(&container_of(timer, struct worker_peer, streams_end)->streams, 0);
}

static void end_streams_later(struct worker *w, struct worker_peer *p)
{
	if (!timer_is_set(&p->streams_end))
		timer_set(
			&p->streams_end, w->loop, loop_now(w->loop) + STREAM_GRACE, on_streams_end);
}

void worker_stream_to_peer(struct exchange *x)
{
	struct worker_peer *p = x->trip.peer.is;

	list_append(&p->streams, &x->link);
	if (x->worker->is_draining)
		end_streams_later(x->worker, p);
}

static void drain_peer(struct worker *w, struct worker_peer *p)
{
	tell_held(p, EVENT_GIVE_UP);
	worker_dismiss(&p->streams, STREAM_GRACE * 1000);
	end_streams_later(w, p);
}

/* Clients that are told may ask again at once, for machines that are new in the map. */
void worker_drain_peers(struct worker *w)
{
	struct worker_peer **all = xcalloc(w->origins.peers.count, sizeof(struct worker_peer *));
	size_t n = 0;

	map_foreach (e, &w->origins.peers)
		all[n++] = e->value;
	for (size_t i = 0; i < n; i++)
		drain_peer(w, all[i]);
	free(all);
}

static struct worker_peer *find_unneeded(const struct worker *w)
{
	map_foreach (e, &w->origins.peers) {
		struct worker_peer *p = e->value;

		if (!is_needed(p))
			return p;
	}
	return NULL;
}

static str address_in(const struct config *conf, const struct worker_peer *p)
{
	const struct machine_conf *m = config_find_machine(conf, str_of(p->name));

	return m ? m->address : STR_EMPTY;
}

/* What is said of it elsewhere than before is asked for again. */
static void doubt_moved(struct worker *w, const struct config *before)
{
	map_foreach (e, &w->origins.peers) {
		struct worker_peer *p = e->value;

		if (str_eq(address_in(before, p), address_in(w->view->conf, p)))
			continue;
		p->is_told = false;
		p->asked = p->again = 0;
		origin_close_idle(&p->origin);
	}
}

void worker_configure_peers(struct worker *w, const struct config *before)
{
	const struct config *conf = w->view->conf;
	msec response = conf->server.response_timeout, start = conf->app.start_timeout;
	struct worker_peer *p;

	MAGIC_CHECK(w, WORKER_MAGIC);
	w->origins.of_machines = (struct origin_limits){
		.connect = CONNECT_LIMIT,
		.response = response && start ? response + start + PEER_GRACE : 0,
		.idle = IDLE_LIMIT,
		.fresh = FRESH_FOR,
	};
	while ((p = find_unneeded(w)))
		peer_free(p);
	if (before)
		doubt_moved(w, before);
}
