/* proxy.c - the proxy's main thread: the channel to the supervisor, and the threads that serve. */
/* SPDX-License-Identifier: MIT */
#include "proxy/proxy.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/log.h"
#include "content/cache_flight.h"
#include "content/cache_pattern.h"
#include "link/channel.h"
#include "link/scoreboard.h"
#include "loop/work.h"
#include "proxy/exchange.h"
#include "proxy/shared.h"
#include "proxy/shortage.h"
#include "proxy/worker.h"
#include "proxy/worker_peers.h"

#ifdef FLY_ATC_COVERAGE
#include <gcov.h>
#endif

#define THREADS_MAX 64
#define STORE_PAUSE 1000 /* msec; the supervisor has a longer one */

struct proxy {
	struct loop *loop; /* of the main thread: the channel only */
	struct channel *channel;
	int wake_fd; /* the channel's descriptor once more, for every thread */
	struct scoreboard board;
	struct snapshot *snapshot;
	struct work *work;	 /* reads configurations */
	struct reading *reading; /* the one being read, or NULL */
	struct reading *next;	 /* came meanwhile: only the last of them counts */
	struct publics publics;	 /* of the next one that comes */
	const struct proxy_start *start;
	struct worker *workers[THREADS_MAX];
	size_t nworkers;
	size_t nconfigured, ndrained; /* of the workers, as told by them */
	size_t nalive;		      /* of them, to the last ASK: */
	uint64_t asked;
	_Atomic uint32_t store;	       /* enum store_state */
	_Atomic uint64_t store_ask_at; /* the next question is not before this moment */
	bool is_looking;	       /* for a newer roster: ROSTER is to come */
	struct shared shared;
	struct timer drain_limit;
	int status;
};

/* A configuration on its way. */
struct reading {
	struct proxy *proxy;
	int fd;
	uint64_t serial;
	struct publics publics;
	struct snapshot *snapshot; /* the result; NULL: it cannot be read */
};

/* From a worker's thread to the main one. */
struct message {
	struct proxy *proxy;
	uint32_t slot;
	uint64_t serial;
	char *text; /* or NULL */
};

static void end_proxy(struct proxy *p, int status)
{
	p->status = status;
	loop_stop(p->loop);
}

static void say_to_supervisor(
	struct proxy *p, enum channel_to_supervisor type, uint32_t slot, uint64_t value)
{
	channel_tell_supervisor(p->channel, type, slot, value, STR_EMPTY);
}

static void post(struct proxy *p, loop_fn *fn, struct message what)
{
	struct message *m = xmalloc(sizeof(*m));

	*m = what;
	m->proxy = p;
	loop_post(p->loop, fn, m);
}

static struct proxy *proxy_of(struct shared *s)
{
	return container_of(s, struct proxy, shared);
}

static void on_wake(void *arg)
{
	struct message *m = arg;

	say_to_supervisor(m->proxy, CHANNEL_WAKE, m->slot, 0);
	free(m);
}

/* Straight from the worker's thread: a request is waiting. */
static void wake(struct shared *s, uint32_t slot)
{
	struct proxy *p = proxy_of(s);

	if (channel_try_supervisor(p->wake_fd, CHANNEL_WAKE, slot) == -EAGAIN)
		post(p, on_wake, (struct message){.slot = slot});
}

static void on_reach(void *arg)
{
	struct message *m = arg;

	channel_tell_supervisor(m->proxy->channel, CHANNEL_REACH, m->slot, 0, str_of(m->text));
	free(m->text);
	free(m);
}

static void reach(struct shared *s, str machine, uint32_t generation)
{
	post(proxy_of(s), on_reach, (struct message){.slot = generation, .text = str_dup(machine)});
}

/* Where the socket is full, the supervisor can learn that from what is in it. */
static void busy(struct shared *s)
{
	struct proxy *p = proxy_of(s);

	if (channel_try_supervisor(p->wake_fd, CHANNEL_BUSY, 0) < 0)
		return;
}

/* Where the socket is full, a later health check asks again. */
static str store_fault(struct shared *s)
{
	struct proxy *p = proxy_of(s);
	uint64_t now = clock_now(), at = atomic_load(&p->store_ask_at);

	if (now >= at && atomic_compare_exchange_strong(&p->store_ask_at, &at, now + STORE_PAUSE) &&
		channel_try_supervisor(p->wake_fd, CHANNEL_STORE_ASKED, 0) < 0)
		log_debug("a health check found no room to ask about the store");
	switch ((enum store_state)atomic_load(&p->store)) {
	case STORE_UNKNOWN:
		return STR("It has not been asked yet.");
	case STORE_SILENT:
		return STR("It did not answer when it was asked last.");
	case STORE_ANSWERS:
		break;
	}
	return STR_EMPTY;
}

/* One look at a time.  In this order: whoever asks from now on does not find the number of a look
 * that began before. */
static void look_next(struct proxy *p)
{
	struct seeking *all = &p->shared.seeking;

	if (p->is_looking || !atomic_exchange(&all->is_wanted, false))
		return;
	p->is_looking = true;
	say_to_supervisor(p, CHANNEL_ROSTER_ASKED, 0, atomic_fetch_add(&all->asked, 1) + 1);
}

static void on_seek(void *arg)
{
	struct message *m = arg;

	look_next(m->proxy);
	free(m);
}

static uint64_t seek(struct shared *s)
{
	uint64_t number = atomic_load(&s->seeking.asked) + 1;

	if (!atomic_exchange(&s->seeking.is_wanted, true))
		post(proxy_of(s), on_seek, (struct message){0});
	return number;
}

static void on_roster_told(void *arg)
{
	struct message *m = arg;

	say_to_supervisor(m->proxy, CHANNEL_ROSTER_TOLD, 0, m->serial);
	free(m);
}

static void roster_told(struct shared *s, uint64_t version)
{
	post(proxy_of(s), on_roster_told, (struct message){.serial = version});
}

static void tell_looked(struct proxy *p, uint64_t number)
{
	atomic_store(&p->shared.seeking.is_on, true);
	if (!number)
		return;
	p->is_looking = false;
	for (size_t i = 0; i < p->nworkers; i++)
		worker_post_looked(p->workers[i], number);
	look_next(p);
}

static void on_stuck(void *arg)
{
	struct message *m = arg;

	say_to_supervisor(m->proxy, CHANNEL_STUCK, m->slot, 0);
	free(m);
}

static void stuck(struct shared *s, uint32_t slot)
{
	post(proxy_of(s), on_stuck, (struct message){.slot = slot});
}

/* Only the newest counts: an older one may still be on its way through the threads. */
static void on_configured(void *arg)
{
	struct message *m = arg;
	struct proxy *p = m->proxy;

	if (m->serial == p->snapshot->serial && ++p->nconfigured == p->nworkers)
		say_to_supervisor(p, CHANNEL_CONFIGURED, 0, p->snapshot->serial);
	free(m);
}

static void configured(struct shared *s, uint64_t serial)
{
	post(proxy_of(s), on_configured, (struct message){.serial = serial});
}

static void on_drained(void *arg)
{
	struct message *m = arg;
	struct proxy *p = m->proxy;

	if (++p->ndrained == p->nworkers) {
		say_to_supervisor(p, CHANNEL_DRAINED, 0, 0);
		end_proxy(p, 0);
	}
	free(m);
}

static void drained(struct shared *s)
{
	post(proxy_of(s), on_drained, (struct message){0});
}

static void on_broken(void *arg)
{
	struct message *m = arg;

	end_proxy(m->proxy, 1);
	free(m);
}

static void broken(struct shared *s)
{
	post(proxy_of(s), on_broken, (struct message){0});
}

static void on_stir(void *arg)
{
	struct message *m = arg;

	say_to_supervisor(m->proxy, CHANNEL_STIR, 0, m->serial);
	free(m);
}

static void stir(struct shared *s, msec ahead)
{
	post(proxy_of(s), on_stir, (struct message){.serial = ahead});
}

static void *run_worker(void *arg)
{
	crash_watch_thread("fly-atc-worker");
	worker_run(arg);
	return NULL;
}

static bool start_worker(struct proxy *p, int listen_fd, int opener_fd)
{
	pthread_t thread;
	struct worker *w = worker_new(&p->shared, listen_fd, opener_fd, &p->board, p->nworkers,
		snapshot_ref(p->snapshot));

	if (!w)
		return false;
	p->workers[p->nworkers++] = w;
	if (pthread_create(&thread, NULL, run_worker, w) != 0)
		return false;
	pthread_detach(thread);
	return true;
}

static void serve_listeners(struct proxy *p)
{
	size_t n = MIN(p->start->nlisten_fds, (size_t)THREADS_MAX);

	for (size_t i = 0; i < n; i++) {
		if (!start_worker(p, p->start->listen_fds[i], p->start->opener_fds[i])) {
			log_error("cannot start an event-loop thread");
			end_proxy(p, 1);
			return;
		}
	}
	say_to_supervisor(p, CHANNEL_LISTENING, 0, 0);
	say_to_supervisor(p, CHANNEL_CONFIGURED, 0, p->snapshot->serial);
}

static bool is_tenant(const void *arg, str id)
{
	const struct config *conf = arg;

	return config_find_tenant(conf, id);
}

static void configure_cache(struct proxy *p)
{
	const struct config *conf = p->snapshot->conf;
	size_t size = conf->server.cache == CACHE_OFF ? 0 : conf->server.cache_size;

	if (!p->shared.cache) {
		p->shared.cache = cache_new(size, conf->server.max_cache_item_size);
		p->shared.flights = cache_flights_new();
		p->shared.patterns = cache_patterns_new();
		return;
	}
	cache_resize(p->shared.cache, size, conf->server.max_cache_item_size);
	cache_purge_absent(p->shared.cache, is_tenant, conf);
}

static void install(struct proxy *p, struct snapshot *take_snapshot)
{
	struct snapshot *s = take_snapshot;

	snapshot_unref(p->snapshot);
	p->snapshot = s;
	log_set_level(s->conf->server.log_level);
	budget_limit(shortage_memory_limit(s->conf->server.max_request_memory));
	configure_cache(p);
	if (!p->nworkers) {
		serve_listeners(p);
		return;
	}
	p->nconfigured = 0;
	for (size_t i = 0; i < p->nworkers; i++)
		worker_post_view(p->workers[i], snapshot_ref(s));
}

static void read_now(void *arg)
{
	struct reading *r = arg;

	r->snapshot = snapshot_read(r->fd, r->serial, &r->publics);
	log_publish();
}

static void reading_free(struct reading *r)
{
	close_fd(&r->fd);
	publics_done(&r->publics);
	free(r);
}

static void read_next_snapshot(struct proxy *p);

static void on_snapshot_read(void *arg)
{
	struct reading *r = arg;
	struct proxy *p = r->proxy;

	p->reading = NULL;
	if (r->snapshot) {
		install(p, r->snapshot);
	} else {
		log_error("the configuration that the supervisor sent cannot be read");
		end_proxy(p, 1);
	}
	reading_free(r);
	read_next_snapshot(p);
}

static void read_next_snapshot(struct proxy *p)
{
	if (p->reading || !p->next)
		return;
	p->reading = p->next;
	p->next = NULL;
	work_run(p->work, read_now, on_snapshot_read, p->reading);
}

/* A large configuration takes long to read, and this thread has news of tenants to pass on. */
static void configure(struct proxy *p, int take_fd, uint64_t serial)
{
	struct reading *r = xcalloc(1, sizeof(*r));

	*r = (struct reading){.proxy = p, .fd = take_fd, .serial = serial, .publics = p->publics};
	p->publics = (struct publics){0};
	if (p->next)
		reading_free(p->next);
	p->next = r;
	read_next_snapshot(p);
}

/* Of our clients' many descriptors, some will be free when it comes again. */
static void miss(struct proxy *p, uint64_t serial)
{
	publics_done(&p->publics);
	p->publics = (struct publics){0};
	say_to_supervisor(p, CHANNEL_MISSED, 0, serial);
}

static void say_alive(struct proxy *p)
{
	say_to_supervisor(p, CHANNEL_ALIVE, 0, p->asked);
}

/* Only the last question counts. */
static void on_alive(void *arg)
{
	struct message *m = arg;
	struct proxy *p = m->proxy;

	if (m->serial == p->asked && ++p->nalive == p->nworkers)
		say_alive(p);
	free(m);
}

static void alive(struct shared *s, uint64_t number)
{
	post(proxy_of(s), on_alive, (struct message){.serial = number});
}

static void ask_workers(struct proxy *p, uint64_t number)
{
	p->asked = number;
	p->nalive = 0;
	if (!p->nworkers)
		say_alive(p);
	for (size_t i = 0; i < p->nworkers; i++)
		worker_post_ask(p->workers[i], number);
}

static void on_drain_limit(struct timer *t)
{
	end_proxy(container_of(t, struct proxy, drain_limit), 0);
}

static void drain(struct proxy *p, msec limit)
{
	for (size_t i = 0; i < p->nworkers; i++)
		worker_post_drain(p->workers[i]);
	timer_set(&p->drain_limit, p->loop, loop_now(p->loop) + limit, on_drain_limit);
}

static void purge(struct proxy *p, const struct channel_message *m)
{
	struct cache *cache = p->shared.cache; /* none before the first configuration */
	struct cache_share *share = cache ? cache_share_at(cache, m->slot) : NULL;
	size_t n = share ? cache_purge(cache, share, (str){m->text, m->text_size}) : 0;

	say_to_supervisor(p, CHANNEL_PURGED, (uint32_t)n, m->value);
}

static void tell_workers(struct proxy *p, const struct channel_message *m)
{
	for (size_t i = 0; i < p->nworkers; i++)
		worker_post_state(p->workers[i], m->slot, (enum tenant_state)m->value,
			(str){m->text, m->text_size});
}

static void on_message(void *arg, const struct channel_message *m, int fd)
{
	struct proxy *p = arg;

	switch ((enum channel_to_proxy)m->type) {
	case CHANNEL_STATE:
		tell_workers(p, m);
		return;
	case CHANNEL_CONFIG:
		if (fd >= 0)
			configure(p, fd, m->value);
		else
			miss(p, m->value);
		return;
	case CHANNEL_PURGE:
		purge(p, m);
		return;
	case CHANNEL_PUBLIC:
		if (fd >= 0)
			publics_add(&p->publics, (str){m->text, m->text_size}, fd);
		return;
	case CHANNEL_STORE:
		atomic_store(&p->store, (uint32_t)m->value);
		return;
	case CHANNEL_ROSTER:
		tell_looked(p, m->value);
		return;
	case CHANNEL_MACHINE:
		for (size_t i = 0; i < p->nworkers; i++)
			worker_post_machine(p->workers[i], (enum machine_state)m->value, m->slot,
				(str){m->text, m->text_size});
		return;
	case CHANNEL_RESUMED:
		for (size_t i = 0; i < p->nworkers; i++)
			worker_post_resumed(p->workers[i]);
		return;
	case CHANNEL_ASK:
		ask_workers(p, m->value);
		return;
	case CHANNEL_DRAIN:
		drain(p, m->value);
		return;
	}
}

static void on_closed(void *arg, const char *fault)
{
	if (fault)
		log_error("the supervisor sent %s", fault);
	end_proxy(arg, fault ? 1 : 0);
}

static void on_main_turn(void *arg)
{
	(void)arg;
	log_publish();
}

/* INT and the like go to the supervisor, which tells us what to do. */
static void ignore_signals(void)
{
	static const int numbers[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

	for (size_t i = 0; i < NITEMS(numbers); i++)
		sigaction(numbers[i], &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

static const struct shared_ops ops = {
	.wake = wake,
	.reach = reach,
	.busy = busy,
	.stuck = stuck,
	.stir = stir,
	.store_fault = store_fault,
	.seek = seek,
	.roster_told = roster_told,
	.alive = alive,
	.configured = configured,
	.broken = broken,
	.drained = drained,
};

int proxy_main(const struct proxy_start *start)
{
	static struct proxy p; /* the threads are still running when we return */

	log_init("proxy", LOG_INFO);
	ignore_signals();
	p.start = start;
	p.shared.ops = &ops;
	p.loop = loop_new();
	if (!p.loop || scoreboard_map(start->scoreboard_fd, &p.board) < 0)
		return 1;
	crash_describe_work(exchange_describe);
	crash_watch(p.board.crash, FLY_ATC_VERSION);
	loop_on_turn(p.loop, on_main_turn, &p);
	p.wake_fd = fcntl(start->channel_fd, F_DUPFD_CLOEXEC, 0);
	if (p.wake_fd < 0)
		return 1;
	p.work = work_new(p.loop, 1);
	p.channel =
		channel_new(p.loop, start->channel_fd, CHANNEL_PROXY, on_message, on_closed, &p);
	if (!p.channel)
		return 1;
	loop_run(p.loop);
	log_flush(1000);
#ifdef FLY_ATC_COVERAGE
	__gcov_dump();
#endif
	_exit(p.status);
}
