/* daemon.c - starting, watching and replacing Litestream. */
/* SPDX-License-Identifier: MIT */
#include "backup/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/number.h"
#include "process/process.h"

#define FIRST_PROBE   4u /* msec; it answers some 20 ms after its start */
#define LONGEST_PROBE 200u
#define START_LIMIT   10000u /* until its first answer */
#define GRACE	      8000u /* from SIGTERM to SIGKILL: longer than its own shutdown-sync-timeout */
#define FIRST_PAUSE   100u  /* before it is started again */
#define LONGEST_PAUSE 10000u
#define LONG_LIFE     30000u /* a life of this length clears the failures before it */
#define PULSE_PERIOD  5000u  /* between two checks whether it still answers, while it is needed */
#define PULSE_LIMIT   5000u
#define MAX_MISSED    2u
#define OPEN_FILES    65536u /* 7 for each database, and one for each that was ever registered */

enum state { OFF, PAUSING, STARTING, READY, STOPPING };
static const char *const state_names[] = {"off", "pausing", "starting", "ready", "stopping"};

enum { DAEMON_MAGIC = MAGIC('d', 'a', 'e', 'm') };

struct daemon {
	uint32_t magic;
	struct daemon_spec spec;
	char *config_path, *socket_path;
	struct rpc *rpc;
	struct process *process;
	enum state state;
	unsigned holds;
	bool is_barred;
	bool is_ending;	   /* for good */
	bool is_explained; /* why says more than its exit status will */
	loop_fn *on_stopped;
	void *stopped_arg;
	struct timer timer;  /* of the state: next probe, next pulse, next start, SIGKILL */
	struct timer linger; /* set while it runs and nothing needs it */
	msec started_at, probe_pause, pause;
	unsigned missed; /* answers in a row */
	uint64_t generation, restarts;
	char version[64];
	struct why why;
};

static void start_daemon(struct daemon *d);

struct daemon *daemon_new(const struct daemon_spec *spec, char **ret_reason)
{
	struct daemon *d = xcalloc(1, sizeof(*d));

	MAGIC_BEGIN(d, DAEMON_MAGIC);
	d->spec = *spec;
	d->config_path = xasprintf(STR_FMT "/litestream.yml", STR_ARG(spec->run_dir));
	d->socket_path = xasprintf(STR_FMT "/litestream.sock", STR_ARG(spec->run_dir));
	d->rpc = rpc_new(spec->loop, d->socket_path);
	d->pause = FIRST_PAUSE;
	why_set(&d->why, "Litestream is not running");
	if (strlen(d->socket_path) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return d;
	*ret_reason = xasprintf("server.run_dir: %s is too long for a socket", d->socket_path);
	daemon_free(d);
	return NULL;
}

void daemon_free(struct daemon *d)
{
	if (!d)
		return;
	assert(!d->process);
	timer_cancel(&d->timer);
	timer_cancel(&d->linger);
	rpc_free(d->rpc);
	free(d->config_path);
	free(d->socket_path);
	MAGIC_END(d, DAEMON_MAGIC);
	loop_defer_free(d->spec.loop, d);
}

/* Each value is a choice of cost: see docs/backup.md. */
static int write_config(const struct daemon *d)
{
	CLEAN_FREE char *text = xasprintf("# Written by fly-atc; changes here are lost.\n"
					  "socket: {enabled: true, path: '%s', permissions: 0600}\n"
					  "l0-retention-check-interval: 1h\n"
					  "levels: [{interval: 5m}, {interval: 1h}]\n"
					  "snapshot: {interval: 24h, retention: 72h}\n"
					  "shutdown-sync-timeout: 5s\n"
					  "logging: {level: warn, type: json, stderr: true}\n",
		d->socket_path);

	return file_write(FILE_GIVEN, d->config_path, str_of(text), 0600);
}

static enum log_level level_of(const char *name)
{
	if (name && strcmp(name, "ERROR") == 0)
		return LOG_ERROR;
	if (name && strcmp(name, "INFO") == 0)
		return LOG_INFO;
	return name && strcmp(name, "DEBUG") == 0 ? LOG_DEBUG : LOG_WARN;
}

#define PROCESS "process"

/* An object of `nmembers` gets one more. */
static void write_line(str line, bool is_object, size_t nmembers)
{
	struct buf out = {0};
	struct json j = {&out, nmembers > 0};

	if (is_object) {
		line = str_trim(line);
		buf_add(&out, str_slice(line, 0, line.n - 1));
	} else {
		j = (struct json){.out = &out};
		json_open_object(&j, NULL);
		json_str(&j, "level", STR("WARN"));
		json_str(&j, "msg", line);
	}
	json_str(&j, PROCESS, STR("litestream"));
	json_close_object(&j);
	log_raw(buf_str(&out));
	buf_done(&out);
}

/* {"time":…,"level":"WARN","msg":…, …} becomes a line of ours with "process":"litestream"; other
 * text is the msg. */
static void on_daemon_line(void *arg, enum process_stream stream, str line, bool is_cut)
{
	json_t *json = json_loadb(line.p, line.n, 0, NULL);
	const char *msg = json_string_value(json_object_get(json, "msg"));
	enum log_level level = level_of(json_string_value(json_object_get(json, "level")));

	(void)arg, (void)stream, (void)is_cut;
	/* An empty list of databases is an error to Litestream, but it is what we want. */
	if ((msg && strcmp(msg, "no databases specified in configuration") == 0) ||
		!log_is_on(level) || !line.n) {
		json_decref(json);
		return;
	}
	write_line(line, json_is_object(json) && !json_object_get(json, PROCESS),
		json_object_size(json));
	json_decref(json);
}

static void enter(struct daemon *d, enum state state)
{
	timer_cancel(&d->timer);
	d->state = state;
}

static bool is_daemon_needed(const struct daemon *d)
{
	return (d->holds > 0 || timer_is_set(&d->linger)) && !d->is_ending && !d->is_barred;
}

static void on_pause_over(struct timer *t)
{
	struct daemon *d = container_of(t, struct daemon, timer);

	MAGIC_CHECK(d, DAEMON_MAGIC);
	enter(d, OFF);
	if (is_daemon_needed(d))
		start_daemon(d);
}

static void start_later(struct daemon *d)
{
	struct loop *l = d->spec.loop;

	enter(d, PAUSING);
	timer_set(&d->timer, l, loop_now(l) + d->pause, on_pause_over);
	d->pause = MIN(d->pause * 2, (msec)LONGEST_PAUSE);
}

static void on_kill_time(struct timer *t)
{
	struct daemon *d = container_of(t, struct daemon, timer);

	MAGIC_CHECK(d, DAEMON_MAGIC);
	log_warn("Litestream did not end within %u ms: killed", GRACE);
	process_signal(d->process, SIGKILL);
}

static void end_process(struct daemon *d)
{
	struct loop *l = d->spec.loop;

	if (d->state == STOPPING)
		return;
	enter(d, STOPPING);
	process_signal(d->process, SIGTERM);
	timer_set(&d->timer, l, loop_now(l) + GRACE, on_kill_time);
}

static void tell_stopped(struct daemon *d)
{
	loop_fn *done = d->on_stopped;

	d->on_stopped = NULL;
	if (done)
		loop_defer(d->spec.loop, done, d->stopped_arg);
}

static void on_ended(void *arg, int status)
{
	struct daemon *d = arg;
	bool was_told = d->state == STOPPING;

	MAGIC_CHECK(d, DAEMON_MAGIC);
	d->process = NULL;
	if (loop_now(d->spec.loop) - d->started_at >= LONG_LIFE || was_told)
		d->pause = FIRST_PAUSE;
	if (!was_told && !d->is_explained) {
		if (WIFSIGNALED(status))
			why_set(&d->why, "Litestream was ended by signal %d", WTERMSIG(status));
		else
			why_set(&d->why, "Litestream ended with status %d", WEXITSTATUS(status));
		log_error("%s; it is started again", d->why.text);
	}
	enter(d, OFF);
	rpc_abort(d->rpc);
	if (d->is_ending)
		tell_stopped(d);
	else if (is_daemon_needed(d) && was_told)
		start_daemon(d);
	else if (is_daemon_needed(d))
		start_later(d);
	d->spec.on_lost(d->spec.arg);
}

static void probe(struct daemon *d);

static void on_probe_time(struct timer *t)
{
	probe(container_of(t, struct daemon, timer));
}

static void probe_later(struct daemon *d)
{
	struct loop *l = d->spec.loop;

	timer_set(&d->timer, l, loop_now(l) + d->probe_pause, on_probe_time);
	d->probe_pause = MIN(d->probe_pause * 2, (msec)LONGEST_PROBE);
}

/* A process that hangs is as good as dead, but nothing reports it. */
static void end_hung(struct daemon *d)
{
	why_set(&d->why, "Litestream did not answer for %u s and was killed",
		MAX_MISSED * PULSE_LIMIT / 1000);
	log_error("%s; it is started again", d->why.text);
	d->is_explained = true;
	process_signal(d->process, SIGKILL);
}

static void on_pulse_time(struct timer *t);

static void pulse_later(struct daemon *d)
{
	struct loop *l = d->spec.loop;

	if (d->state == READY && d->holds)
		timer_set(&d->timer, l, loop_now(l) + PULSE_PERIOD, on_pulse_time);
}

static void on_pulse(void *arg, int error, unsigned status, json_t *answer)
{
	struct daemon *d = arg;

	MAGIC_CHECK(d, DAEMON_MAGIC);
	(void)status, (void)answer;
	if (d->state != READY || error == -ECANCELED)
		return;
	d->missed = error == -ETIMEDOUT ? d->missed + 1 : 0;
	if (d->missed >= MAX_MISSED)
		end_hung(d);
	else
		pulse_later(d);
}

static void on_pulse_time(struct timer *t)
{
	struct daemon *d = container_of(t, struct daemon, timer);

	MAGIC_CHECK(d, DAEMON_MAGIC);
	rpc_urge(d->rpc, "GET", "/info", PULSE_LIMIT, on_pulse, d);
}

static void on_version(struct daemon *d, const char *version)
{
	snprintf(d->version, sizeof(d->version), "%s", version);
	if (program_is_recent(str_of(d->version))) {
		enter(d, READY);
		d->why.text[0] = '\0';
		log_info("Litestream %s is ready after %llu ms", d->version,
			(unsigned long long)(clock_now() - d->started_at));
		d->missed = 0;
		pulse_later(d);
		d->spec.on_ready(d->spec.arg);
		return;
	}
	why_set(&d->why,
		"%s is Litestream %s; fly-atc needs " PROGRAM_OLDEST
		" or newer, since older ones lose commits",
		d->spec.program, d->version);
	log_error("%s", d->why.text);
	d->is_explained = true;
	process_signal(
		d->process, SIGTERM); /* and again, with growing pauses: it may be replaced */
}

static void on_info(void *arg, int error, unsigned status, json_t *answer)
{
	struct daemon *d = arg;
	const char *version = json_string_value(json_object_get(answer, "version"));

	MAGIC_CHECK(d, DAEMON_MAGIC);
	if (d->state != STARTING)
		return;
	if (!error && status == 200 && version) {
		on_version(d, version);
	} else if (clock_now() - d->started_at > START_LIMIT) {
		why_set(&d->why, "Litestream did not open its control socket %s within %u s",
			d->socket_path, START_LIMIT / 1000);
		log_error("%s", d->why.text);
		d->is_explained = true;
		process_signal(d->process, SIGKILL);
	} else {
		probe_later(d);
	}
}

static void probe(struct daemon *d)
{
	rpc_call(d->rpc, "GET", "/info", NULL, 1000, on_info, d);
}

static void fail_start(struct daemon *d, const char *step, int error)
{
	why_set(&d->why, "cannot start %s: %s: %s", d->spec.program, step, strerror(error));
	log_error("%s", d->why.text);
	start_later(d);
}

static void start_daemon(struct daemon *d)
{
	char replicate[] = "replicate", config[] = "-config";
	char *argv[] = {
		(char *)(uintptr_t)d->spec.program, replicate, config, d->config_path, NULL};
	struct process_spec spec = {.name = "litestream",
		.program = d->spec.program,
		.argv = argv,
		.env = d->spec.env,
		.fds = &d->spec.keys_fd,
		.nfds = d->spec.keys_fd >= 0,
		.max_open_files = OPEN_FILES,
		.on_line = on_daemon_line,
		.on_exit = on_ended,
		.arg = d};
	const char *step = NULL;
	int r = write_config(d);

	if (r < 0) {
		fail_start(d, d->config_path, -r);
		return;
	}
	(void)!file_remove(
		FILE_GIVEN, d->socket_path); /* Litestream finds it in its way, and says so */
	r = process_start(d->spec.loop, &spec, &d->process, &step);
	if (r < 0) {
		fail_start(d, step, -r);
		return;
	}
	d->restarts += d->generation > 0;
	d->generation++;
	d->is_explained = false;
	d->started_at = clock_now();
	d->probe_pause = FIRST_PROBE;
	if (!d->why.text[0])
		why_set(&d->why, "Litestream is starting");
	enter(d, STARTING);
	probe_later(d);
}

static void on_linger_over(struct timer *t)
{
	struct daemon *d = container_of(t, struct daemon, linger);

	MAGIC_CHECK(d, DAEMON_MAGIC);
	if (d->holds == 0 && d->process)
		end_process(d);
}

static void linger(struct daemon *d)
{
	struct loop *l = d->spec.loop;

	timer_set(&d->linger, l, loop_now(l) + d->spec.linger, on_linger_over);
}

void daemon_hold(struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	d->holds++;
	timer_cancel(&d->linger);
	if (d->state == OFF && is_daemon_needed(d))
		start_daemon(d);
	if (!timer_is_set(&d->timer) && d->holds == 1)
		pulse_later(d);
}

void daemon_drop(struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	assert(d->holds > 0);
	if (--d->holds == 0)
		linger(d);
}

void daemon_warm(struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	if (d->holds == 0 && !d->is_ending)
		linger(d);
	if (d->state == OFF && is_daemon_needed(d))
		start_daemon(d);
}

void daemon_bar(struct daemon *d, const char *why)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	assert(d->state == OFF);
	d->is_barred = true;
	why_set(&d->why, "%s", why);
}

void daemon_unbar(struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	d->is_barred = false;
	why_set(&d->why, "Litestream is not running");
	if (is_daemon_needed(d))
		start_daemon(d);
}

void daemon_replace(struct daemon *d, bool is_stuck, const char *why)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	if (!d->process || d->state == STOPPING)
		return;
	log_warn("Litestream is replaced: %s", why);
	end_process(d);
	if (is_stuck)
		process_signal(d->process, SIGKILL);
}

void daemon_stop(struct daemon *d, loop_fn *done, void *arg)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	assert(!d->is_ending);
	d->is_ending = true;
	d->on_stopped = done;
	d->stopped_arg = arg;
	timer_cancel(&d->linger);
	if (d->process) {
		end_process(d);
		return;
	}
	enter(d, OFF);
	tell_stopped(d);
}

bool daemon_is_ready(const struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	return d->state == READY;
}

bool daemon_has_died(const struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	return d->state == PAUSING;
}

uint64_t daemon_generation(const struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	return d->generation;
}

struct rpc *daemon_rpc(struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	return d->rpc;
}

const char *daemon_why(const struct daemon *d)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	return d->why.text;
}

uint64_t daemon_memory(const struct daemon *d)
{
	CLEAN_FREE char *path =
		xasprintf("/proc/%d/statm", d->process ? (int)process_pid(d->process) : 0);
	struct buf text = {0};
	str rest, part;
	uint64_t pages = 0;

	MAGIC_CHECK(d, DAEMON_MAGIC);
	if (d->process && file_read(FILE_GIVEN, path, 4096, &text) == 0) {
		rest = buf_str(&text);
		if (!str_split(&rest, ' ', &part) || !str_split(&rest, ' ', &part) ||
			number_parse(part, UINT32_MAX, &pages) < 0)
			pages = 0;
	}
	buf_done(&text);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void daemon_status_json(const struct daemon *d, struct json *j, const char *key)
{
	MAGIC_CHECK(d, DAEMON_MAGIC);
	json_open_object(j, key);
	json_str(j, "state", str_of(state_names[d->state]));
	if (d->process)
		json_number(j, "pid", (uint64_t)process_pid(d->process));
	else
		json_none(j, "pid");
	json_str(j, "version", str_of(d->version));
	json_number(j, "restarts", d->restarts);
	json_number(j, "memory", daemon_memory(d));
	json_str(j, "why", str_of(d->why.text));
	json_close_object(j);
}
