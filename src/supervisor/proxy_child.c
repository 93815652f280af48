/* proxy_child.c - starts the proxy, speaks to it, and starts it again, with growing pauses, when it
 * dies. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/proxy_child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/map.h"
#include "base/number.h"
#include "link/channel.h"
#include "link/packet.h"
#include "supervisor/heartbeat.h"
#include "supervisor/opening_thread.h"
#include "supervisor/supervisor_int.h"
#include "tenant/environment.h"

/* The first restart is immediate; each further death within DEATH_WINDOW doubles the pause. */
#define PAUSE_FIRST  10
#define PAUSE_LAST   1000
#define DEATH_WINDOW 10000
/* How long a proxy that has drained in time may take to exit. */
#define EXIT_GRACE 1000
/* When a descriptor could not be made, or not be received, some will be free again after this. */
#define RESEND_PAUSE 1000
/* Each costs a descriptor, here for a moment and in the proxy for good; a tenant without one serves
 * its files itself. */
#define PUBLICS_MAX 512

enum { PROXY_CHILD_MAGIC = MAGIC('p', 'c', 'h', 'i') };

struct proxy_child {
	uint32_t magic;
	struct supervisor *sup;
	const struct proxy_events *events;
	struct process *process; /* NULL between two lives */
	struct channel *channel;
	struct timer timer;  /* the next start; while draining: when it is killed */
	struct timer resend; /* the snapshot could not be sent, or not be received */
	int snapshot_fd;     /* sealed; of the configuration in force */
	uint64_t serial;     /* of this snapshot */
	uint64_t confirmed;  /* of the one that all threads use; 0: none yet */
	unsigned restarts;
	unsigned deaths; /* within the window */
	msec window_began;
	struct heartbeat heartbeat;
	char *reason; /* why the last one ended, or NULL */
	bool is_hung; /* it is being killed for that */
	bool is_draining;
};

static bool start_proxy(struct proxy_child *p, const char **ret_step, int *ret_error);

/* --- the snapshot --- */

int proxy_child_snapshot(const struct config *conf, int *ret_fd)
{
	struct buf text = {0};
	int fd = memfd_create("fly-atc-config", MFD_CLOEXEC | MFD_ALLOW_SEALING), r = 0;
	str rest;

	if (fd < 0)
		return -errno;
	config_snapshot_write(conf, &text);
	for (rest = buf_str(&text); rest.n && r == 0;) {
		ssize_t n = write(fd, rest.p, rest.n);

		if (n < 0)
			r = -errno;
		else
			rest = str_slice(rest, (size_t)n, rest.n);
	}
	if (r == 0 && fcntl(fd, F_ADD_SEALS,
			      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		r = -errno;
	buf_done(&text);
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* --- the channel --- */

static void tell_public(struct proxy_child *p, str path)
{
	int fd = -1, r = file_open_dir(FILE_GIVEN, path.p, 0, &fd);

	if (r == 0)
		channel_give_proxy(p->channel, CHANNEL_PUBLIC, 0, path, fd);
	else if (r != -ENOENT)
		log_warn("no files are served from %s: %s", path.p, strerror(-r));
}

/* The proxy might not get there by itself. */
static void tell_publics(struct proxy_child *p)
{
	const struct config *conf = p->sup->conf;
	struct map told = {0};

	for (size_t i = 0; i < conf->ntenants && told.count < PUBLICS_MAX; i++) {
		const struct app_conf *app = conf->tenants[i].app;

		if (app->public.n && !map_put(&told, app->public, p))
			tell_public(p, app->public);
	}
	map_done(&told);
}

static void on_resend(struct timer *timer);

static void send_later(struct proxy_child *p)
{
	log_warn("the proxy cannot be given its configuration now: too many open files");
	timer_set(&p->resend, p->sup->loop, loop_now(p->sup->loop) + RESEND_PAUSE, on_resend);
}

static void send_snapshot(struct proxy_child *p)
{
	int fd = fcntl(p->snapshot_fd, F_DUPFD_CLOEXEC, 0);

	timer_cancel(&p->resend);
	if (fd < 0) {
		send_later(p);
		return;
	}
	tell_publics(p);
	channel_give_proxy(p->channel, CHANNEL_CONFIG, p->serial, STR_EMPTY, fd);
}

static void on_resend(struct timer *timer)
{
	send_snapshot(container_of(timer, struct proxy_child, resend));
}

static void on_message(void *arg, const struct channel_message *m, int fd)
{
	struct proxy_child *p = arg;

	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	(void)fd; /* no message of the proxy's brings one */
	switch ((enum channel_to_supervisor)m->type) {
	case CHANNEL_WAKE:
		p->events->on_wake(p->sup, m->slot);
		return;
	case CHANNEL_STIR:
		p->events->on_stir(p->sup, m->value);
		return;
	case CHANNEL_STUCK:
		p->events->on_stuck(p->sup, m->slot);
		return;
	case CHANNEL_LISTENING:
		p->events->on_listening(p->sup);
		return;
	case CHANNEL_MISSED:
		if (m->value == p->serial)
			send_later(p);
		return;
	case CHANNEL_BUSY:
		heartbeat_ask(&p->heartbeat);
		p->events->on_request(p->sup);
		return;
	case CHANNEL_STORE_ASKED:
		p->events->on_store_asked(p->sup);
		return;
	case CHANNEL_ROSTER_ASKED:
		p->events->on_roster_asked(p->sup, m->value);
		return;
	case CHANNEL_ROSTER_TOLD:
		p->events->on_roster_told(p->sup, m->value);
		return;
	case CHANNEL_ALIVE:
		heartbeat_answered(&p->heartbeat, m->value);
		return;
	case CHANNEL_CONFIGURED:
		p->confirmed = MIN(m->value, p->serial);
		if (proxy_child_is_configured(p))
			p->events->on_configured(p->sup);
		return;
	case CHANNEL_PURGED:
		p->events->on_purged(p->sup, m->value, m->slot);
		return;
	case CHANNEL_REACH:
		p->events->on_reach(p->sup, (str){m->text, m->text_size}, m->slot);
		return;
	case CHANNEL_DRAINED:
		return; /* now it exits */
	}
}

/* Its end is about to be noticed; but a proxy that only closed the channel is of no use any more,
 * and one that broke the rules is not to be believed. */
static void on_closed(void *arg, const char *fault)
{
	struct proxy_child *p = arg;

	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	if (fault)
		log_error("the proxy sent %s; it is killed", fault);
	if (p->process && (fault || !p->is_draining))
		process_signal(p->process, SIGKILL);
}

/* --- life and death --- */

static void on_restart(struct timer *timer)
{
	struct proxy_child *p = container_of(timer, struct proxy_child, timer);
	const char *step = "";
	int error = 0;

	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	if (start_proxy(p, &step, &error))
		return;
	log_error("cannot start the proxy: %s: %s", step, strerror(error));
	timer_set(&p->timer, p->sup->loop, loop_now(p->sup->loop) + PAUSE_LAST, on_restart);
}

static msec restart_pause(struct proxy_child *p)
{
	msec now = loop_now(p->sup->loop), pause = PAUSE_FIRST;

	if (now - p->window_began > DEATH_WINDOW) {
		p->window_began = now;
		p->deaths = 0;
	}
	if (p->deaths++ == 0)
		return 0;
	for (unsigned i = 2; i < p->deaths && pause < PAUSE_LAST; i++)
		pause *= 2;
	return MIN(pause, (msec)PAUSE_LAST);
}

static void remember_end(struct proxy_child *p, const char *how)
{
	char limit[NUMBER_TEXT_MAX];

	number_duration_text(p->heartbeat.limit, limit);
	free(p->reason);
	p->reason = p->is_hung ? xasprintf("did not answer for %s and was killed", limit)
			       : xstrdup(how);
	p->is_hung = false;
}

/* From here on the record is a copy: the process that wrote it faces the clients, and may write
 * more. */
static void add_last_words(struct proxy_child *p)
{
	struct crash_record record = *p->sup->board.crash;
	char words[CRASH_TEXT_MAX], *reason = p->reason;

	memset(p->sup->board.crash, 0, sizeof(*p->sup->board.crash));
	if (!record.is_written)
		return;
	crash_text(&record, words, sizeof(words));
	p->reason = xasprintf("%s: %s", reason, words);
	free(reason);
}

static void on_proxy_exit(void *arg, int status)
{
	struct proxy_child *p = arg;
	char how[64];

	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	channel_free(p->channel);
	p->channel = NULL;
	p->process = NULL;
	p->confirmed = 0;
	p->events->on_died(p->sup);
	timer_cancel(&p->timer);
	timer_cancel(&p->resend);
	heartbeat_stop(&p->heartbeat);
	if (p->is_draining) {
		p->events->on_gone(p->sup);
		return;
	}
	process_describe_exit(status, how, sizeof(how));
	remember_end(p, how);
	add_last_words(p);
	log_error("the proxy %s; it is started again", p->reason);
	p->restarts++;
	p->events->on_crashed(p->sup);
	timer_set(&p->timer, p->sup->loop, loop_now(p->sup->loop) + restart_pause(p), on_restart);
}

static int launch(struct proxy_child *p, int channel_fd, const int *openers, const char **ret_step)
{
	struct supervisor *s = p->sup;
	struct environment env = {0};
	struct rlimit files = {0};
	size_t n = s->listening.listeners.count, nfds = 2 + 2 * n;
	int *fds = xcalloc(nfds, sizeof(*fds)), r;
	char count[16];
	char *argv[] = {xstrdup("fly-atc: proxy"), xstrdup(SUPERVISOR_PROXY_FLAG), count, NULL};

	fds[SUPERVISOR_PROXY_CHANNEL - 3] = channel_fd;
	fds[SUPERVISOR_PROXY_SCOREBOARD - 3] = s->board.fd;
	memcpy(fds + SUPERVISOR_PROXY_LISTENERS - 3, s->listening.listeners.fds, n * sizeof(*fds));
	memcpy(fds + SUPERVISOR_PROXY_LISTENERS - 3 + n, openers, n * sizeof(*fds));
	snprintf(count, sizeof(count), "%zu", n);
	environment_of_proxy(&env, s->source->environ);
	getrlimit(RLIMIT_NOFILE, &files);
	r = process_start(s->loop,
		&(struct process_spec){.name = "proxy",
			.program = "/proc/self/exe",
			.argv = argv,
			.env = env.items,
			.cwd = s->own.has_run_dir
				       ? s->own.run_dir
				       : NULL, /* upstream.c finds the tenants' sockets there */
			.fds = fds,
			.nfds = nfds,
			.user = &s->proxy_user,
			.inherits_output = true,
			.is_walled = true,
			.max_open_files = files.rlim_max,
			.on_exit = on_proxy_exit,
			.arg = p},
		&p->process, ret_step);
	free(argv[0]);
	free(argv[1]);
	free(fds);
	environment_done(&env);
	return r;
}

static int launch_with_openers(struct proxy_child *p, int channel_fd, const char **ret_step)
{
	size_t n = p->sup->listening.listeners.count;
	int *openers = xcalloc(n, sizeof(*openers));
	int r = opening_thread_connect(p->sup->opener, n, openers);

	if (r == 0) {
		r = launch(p, channel_fd, openers, ret_step);
		for (size_t i = 0; i < n; i++)
			close(openers[i]);
	}
	free(openers);
	return r;
}

static void tell_store(struct proxy_child *p)
{
	if (p->channel)
		channel_tell_proxy(p->channel, CHANNEL_STORE, 0, p->sup->store.state, STR_EMPTY);
}

static bool start_proxy(struct proxy_child *p, const char **ret_step, int *ret_error)
{
	int pair[2], r;

	*ret_step = "channel";
	r = packet_pair(pair);
	if (r == 0) {
		r = launch_with_openers(p, pair[1], ret_step);
		close(pair[1]);
		if (r < 0)
			close(pair[0]);
	}
	if (r == 0) {
		p->channel = channel_new(
			p->sup->loop, pair[0], CHANNEL_SUPERVISOR, on_message, on_closed, p);
		if (p->channel) {
			send_snapshot(p);
			tell_store(p);
			if (p->sup->roster.is_shared)
				proxy_child_tell_roster(p, 0);
		} else {
			process_signal(p->process, SIGKILL);
		}
	}
	*ret_error = -r;
	if (r == 0)
		heartbeat_start(&p->heartbeat, p->sup->loop, &p->sup->listening.listeners);
	return r == 0;
}

static void send_ask(void *arg, uint64_t number)
{
	struct proxy_child *p = arg;

	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	if (p->channel)
		channel_tell_proxy(p->channel, CHANNEL_ASK, 0, number, STR_EMPTY);
}

static void on_hung(void *arg)
{
	struct proxy_child *p = arg;

	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	p->is_hung = true;
	proxy_child_kill(p);
}

struct proxy_child *proxy_child_new(
	struct supervisor *s, const struct proxy_events *events, char **ret_reason)
{
	struct proxy_child *p = xcalloc(1, sizeof(*p));
	const char *step = "the configuration for it";
	int error;

	MAGIC_BEGIN(p, PROXY_CHILD_MAGIC);
	p->sup = s;
	p->events = events;
	p->snapshot_fd = -1;
	p->serial = 1;
	p->heartbeat = (struct heartbeat){.ask = send_ask,
		.on_hung = on_hung,
		.arg = p,
		.limit = s->conf->server.heartbeat_timeout};
	error = -proxy_child_snapshot(s->conf, &p->snapshot_fd);
	if (!error && start_proxy(p, &step, &error))
		return p;
	*ret_reason = xasprintf("cannot start the proxy: %s: %s", step, strerror(error));
	close_fd(&p->snapshot_fd);
	MAGIC_END(p, PROXY_CHILD_MAGIC);
	free(p);
	return NULL;
}

void proxy_child_configure(struct proxy_child *p, int take_snapshot_fd)
{
	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	close_fd(&p->snapshot_fd);
	p->snapshot_fd = take_snapshot_fd;
	p->serial++;
	heartbeat_limit(&p->heartbeat, p->sup->conf->server.heartbeat_timeout);
	if (p->channel)
		send_snapshot(p);
}

uint64_t proxy_child_next(const struct proxy_child *p)
{
	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	return p->serial + 1;
}

bool proxy_child_has(const struct proxy_child *p, uint64_t serial)
{
	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	return !p->process || p->confirmed >= serial;
}

void proxy_child_ask(struct proxy_child *p)
{
	if (p)
		heartbeat_ask(&p->heartbeat);
}

void proxy_child_send_state(struct proxy_child *p, uint32_t slot, enum tenant_state state, str text)
{
	if (p && p->channel)
		channel_tell_proxy(p->channel, CHANNEL_STATE, slot, state, text);
}

void proxy_child_tell_store(struct proxy_child *p)
{
	if (p)
		tell_store(p);
}

void proxy_child_tell_resumed(struct proxy_child *p)
{
	if (p && p->channel)
		channel_tell_proxy(p->channel, CHANNEL_RESUMED, 0, 0, STR_EMPTY);
}

void proxy_child_tell_roster(struct proxy_child *p, uint64_t number)
{
	if (p && p->channel)
		channel_tell_proxy(p->channel, CHANNEL_ROSTER, 0, number, STR_EMPTY);
}

void proxy_child_tell_machine(
	struct proxy_child *p, str machine, enum machine_state state, uint32_t generation, str text)
{
	struct buf words = {0};

	if (!p || !p->channel)
		return;
	buf_add(&words, machine);
	if (text.n)
		buf_add_char(&words, ' ');
	buf_add(&words, text);
	channel_tell_proxy(
		p->channel, CHANNEL_MACHINE, generation, (uint64_t)state, buf_str(&words));
	buf_done(&words);
}

bool proxy_child_purge(struct proxy_child *p, uint32_t slot, uint64_t serial, str path)
{
	if (!p || !p->channel)
		return false;
	channel_tell_proxy(p->channel, CHANNEL_PURGE, slot, serial, path);
	return true;
}

static void on_patience_over(struct timer *timer)
{
	proxy_child_kill(container_of(timer, struct proxy_child, timer));
}

void proxy_child_drain(struct proxy_child *p, msec limit)
{
	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	p->is_draining = true;
	heartbeat_stop(&p->heartbeat);
	timer_cancel(&p->timer);
	if (!p->process) {
		p->events->on_gone(p->sup);
		return;
	}
	if (!p->channel) /* it is being killed, because its end could not be watched */
		return;
	channel_tell_proxy(p->channel, CHANNEL_DRAIN, 0, limit, STR_EMPTY);
	timer_set(&p->timer, p->sup->loop,
		msec_limit(loop_now(p->sup->loop), limit ? limit + EXIT_GRACE : 0),
		on_patience_over);
}

void proxy_child_kill(struct proxy_child *p)
{
	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	if (p->process)
		process_signal(p->process, SIGKILL);
}

pid_t proxy_child_pid(const struct proxy_child *p)
{
	if (!p)
		return 0;
	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	return p->process ? process_pid(p->process) : 0;
}

unsigned proxy_child_restarts(const struct proxy_child *p)
{
	return p ? p->restarts : 0;
}

const char *proxy_child_reason(const struct proxy_child *p)
{
	return p ? p->reason : NULL;
}

bool proxy_child_is_configured(const struct proxy_child *p)
{
	if (!p)
		return false;
	MAGIC_CHECK(p, PROXY_CHILD_MAGIC);
	return p->confirmed && p->confirmed == p->serial;
}

void proxy_child_free(struct proxy_child *p)
{
	if (!p)
		return;
	assert(!p->process);
	timer_cancel(&p->timer);
	timer_cancel(&p->resend);
	heartbeat_stop(&p->heartbeat);
	close_fd(&p->snapshot_fd);
	free(p->reason);
	MAGIC_END(p, PROXY_CHILD_MAGIC);
	free(p);
}
