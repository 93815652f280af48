/* run.c - an application while it runs: port, probe, readiness, idleness, end. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "supervisor/busy.h"
#include "tenant/folders.h"
#include "supervisor/health.h"
#include "supervisor/new_files.h"
#include "tenant/ports.h"
#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"

/* A deadline that is later than this by itself: we did not run. */
#define PAUSE 1000

bool run_is_over(const struct tenant_run *run)
{
	return !run->process && !run->probe && !run->health && !run->backups;
}

/* --- port --- */

void run_socket_path(const struct tenant *t, char *out, size_t size)
{
	slot_socket_path(t->sup->conf->server.run_dir, t->slot, out, size);
}

static void let_go_of_port(struct tenant_run *run)
{
	close_fd(&run->port_fd);
	close_fd(&run->port6_fd);
}

static int open_port(struct tenant *t, struct tenant_port *ret)
{
	struct tenant_run *run = t->run;
	int64_t said = run->conf->app->port;
	struct port_wish wish = {.number = said > 0 ? (unsigned)said : 0, .avoids = t->sup->conf};
	int r;

	if (run->conf->app->listen == LISTEN_FD) {
		ret->is_inherited = true;
		r = port_listen(&wish, &run->port_fd, &ret->number);
	} else {
		r = port_hold_both(&wish, &run->port_fd, &run->port6_fd, &ret->number);
		run->may_be_ipv6 = run->port6_fd >= 0;
		if (t->releases_port)
			let_go_of_port(run);
	}
	if (r < 0 && wish.number)
		tenant_blame(t, "cannot have its port %u: %s", wish.number, strerror(-r));
	else if (r < 0)
		tenant_blame(t, "cannot get a port for it: %s", strerror(-r));
	return r;
}

static int choose_port(struct tenant *t, char *path, size_t path_size, struct tenant_port *ret)
{
	struct tenant_run *run = t->run;

	*ret = (struct tenant_port){0};
	if (t->sup->conf->is_single) {
		ret->number = (unsigned)t->sup->conf->server.target_port;
		run->may_be_ipv6 = true;
		return 0;
	}
	if (run->conf->app->listen != LISTEN_UNIX)
		return open_port(t, ret);
	run_socket_path(t, path, path_size);
	ret->socket_path = path;
	return 0;
}

/* --- readiness --- */

static void succeed(struct tenant *t)
{
	struct tenant_run *run = t->run;

	t->wake.ready = (clock_usec() - run->phase_began) / 1000;
	if (t->sup->conf->is_single) {
		free(t->warning);
		t->warning = NULL;
	}
	look_when_ready(t);
}

/* What the application made while it started is in the store before anybody is served. */
static void on_files_attached(void *arg, const struct backup_result *r)
{
	struct tenant *t = arg;

	if (!wake_came_back(t) || t->life.state != TENANT_STARTING)
		return;
	if (r->is_ok) {
		succeed(t);
		return;
	}
	tenant_blame(t, "its new databases cannot be replicated: %s", r->reason);
	tenant_event(t, EVENT_OVERDUE);
}

/* What the tenant has put there may be a link to something else. */
static int give_socket(const char *path, const struct process_user *user)
{
	return file_give(FILE_GIVEN, path, S_IFSOCK, user->uid, user->gid);
}

/* The proxy has another user and must be able to connect. */
static void open_socket_to_proxy(struct tenant *t)
{
	char path[256];
	int r;

	if (t->run->conf->app->listen != LISTEN_UNIX || t->sup->conf->is_single)
		return;
	run_socket_path(t, path, sizeof(path));
	r = give_socket(path, &t->sup->proxy_user);
	if (r < 0)
		log_warn("tenant " STR_FMT ": cannot give %s to the proxy: %s",
			STR_ARG(t->run->conf->id), path, strerror(-r));
}

void run_forget_answered(struct tenant_run *run)
{
	probe_free(run->answered);
	run->answered = NULL;
}

void run_keep_answered(struct tenant_run *run, struct probe **take_probe)
{
	run_forget_answered(run);
	run->answered = *take_probe;
	*take_probe = NULL;
}

static void on_probe_end(void *arg)
{
	struct tenant *t = arg;

	t->run->answered = NULL; /* it frees itself */
}

static void is_answered(struct tenant *t, bool is_ipv6)
{
	struct tenant_run *run = t->run;

	elsewhere_end(run);
	atomic_store(&tenant_slot(t)->is_ipv6, is_ipv6);
	open_socket_to_proxy(t);
	if (run->missing_files && new_files_missing(run->conf) < run->missing_files) {
		run->backups++;
		backup_attach(t->sup->backup, run->conf, on_files_attached, t);
		return;
	}
	succeed(t);
}

static void on_ready(void *arg, bool is_ipv6)
{
	struct tenant *t = arg;

	run_keep_answered(t->run, &t->run->probe);
	is_answered(t, is_ipv6);
}

void run_is_answered_at(struct tenant *t, unsigned port, bool is_ipv6)
{
	probe_free(t->run->probe);
	t->run->probe = NULL;
	atomic_store(&tenant_slot(t)->port, port);
	is_answered(t, is_ipv6);
}

static void warn_overdue(struct tenant *t, const char *fault)
{
	free(t->warning);
	t->warning = xstrdup(fault);
	log_warn("the application: %s", fault);
}

/* A single application has all the time it wants; but its operator is to know. */
static void tell_overdue(struct tenant *t, str where)
{
	char why[256] = "its databases are not in the store yet", limit[NUMBER_TEXT_MAX];
	CLEAN_FREE char *fault = NULL;

	if (t->run->probe)
		probe_describe(t->run->probe, why, sizeof(why));
	number_duration_text(t->run->conf->app->start_timeout, limit);
	fault = xasprintf("it (pid %d) was not ready within %s: %s" STR_FMT,
		t->run->process ? (int)process_pid(t->run->process) : 0, limit, why,
		STR_ARG(where));
	if (t->sup->conf->is_single) {
		warn_overdue(t, fault);
		return;
	}
	tenant_blame(t, "%s", fault);
	tenant_event(t, EVENT_OVERDUE);
}

static void on_overdue(struct timer *timer)
{
	struct tenant *t = container_of(timer, struct tenant_run, timer)->tenant;
	const struct tenant_run *run = t->run;
	msec now = loop_now(t->sup->loop);

	/* We were stopped ourselves: it may be ready, and nobody has asked it. */
	if (now > timer->at + PAUSE) {
		timer_set(timer, t->sup->loop, now + PAUSE, on_overdue);
		return;
	}
	if (run->process && run->probe && !probe_has_status(run->probe))
		elsewhere_tell(t, tell_overdue);
	else
		tell_overdue(t, STR_EMPTY);
}

static char *probe_request(const struct tenant_conf *t)
{
	bool knows_prefix = t->app->prefix == PREFIX_PASS;

	return xasprintf("GET " STR_FMT STR_FMT " HTTP/1.1\r\n"
			 "Host: " STR_FMT "\r\n"
			 "User-Agent: fly-atc\r\n"
			 "Accept: */*\r\n"
			 "X-Forwarded-Proto: https\r\n"
			 "Connection: close\r\n\r\n",
		STR_ARG(knows_prefix ? t->prefix : STR_EMPTY), STR_ARG(t->app->health_check),
		STR_ARG(t->host.n ? t->host : STR("localhost")));
}

struct probe *run_ask(struct tenant *t, struct probe_target *target, probe_fn *on_answer)
{
	char *request = probe_request(t->run->conf);
	struct probe *probe;

	target->request = str_of(request);
	probe = probe_start(t->sup->loop, target, on_answer, on_probe_end, t);
	free(request);
	return probe;
}

struct probe *run_probe(struct tenant *t, probe_fn *on_answer)
{
	struct probe_target target = {.port = atomic_load(&tenant_slot(t)->port),
		.is_ipv6 = atomic_load(&tenant_slot(t)->is_ipv6),
		.may_be_ipv6 = t->run->may_be_ipv6 && t->life.state == TENANT_STARTING};
	char path[256];

	run_socket_path(t, path, sizeof(path));
	target.socket_path = path;
	if (t->sup->conf->is_single)
		return probe_start(t->sup->loop, &target, on_answer, on_probe_end, t);
	return run_ask(t, &target, on_answer);
}

static void probe(struct tenant *t)
{
	struct tenant_run *run = t->run;

	run->probe = run_probe(t, on_ready);
	elsewhere_begin(t);
	timer_set(&run->timer, t->sup->loop, msec_limit(clock_now(), run->conf->app->start_timeout),
		on_overdue);
}

/* --- the end --- */

static bool said(const struct tenant *t, str words)
{
	for (uint32_t i = 0; i < t->output.last.count; i++)
		if (str_find(output_at(&t->output, i).text, words) >= 0)
			return true;
	return false;
}

/* The one thing that goes wrong because of us, and what to do about it. */
static const char *hint_about_port(const struct tenant *t)
{
	if (!said(t, STR("EADDRINUSE")) && !said(t, STR("Address already in use")) &&
		!said(t, STR("address already in use")))
		return "";
	switch (t->run->conf->app->listen) {
	case LISTEN_FD:
		return "; it binds an address of its own: let it listen on 127.0.0.1:$PORT, or say `listen: tcp`";
	case LISTEN_TCP:
		return t->releases_port
			       ? ""
			       : "; the next start leaves it the port without holding it before";
	case LISTEN_UNIX:
		break;
	}
	return "";
}

/* One that forks and ends is a success in its own eyes. */
static const char *hint_about_end(const struct tenant *t, int status)
{
	return status == 0 ? "; it must stay in the foreground, and not put itself into the "
			     "background (as a daemon)"
			   : hint_about_port(t);
}

static void blame_exit(struct tenant *t, pid_t pid, int status)
{
	char how[64];

	run_describe_exit(status, how, sizeof(how));
	if (t->life.state == TENANT_STARTING)
		tenant_blame(t, "it (pid %d) %s before it was ready%s", (int)pid, how,
			hint_about_end(t, status));
	else if (t->life.state == TENANT_RUNNING || t->life.state == TENANT_DRAINING)
		tenant_blame(t, "it (pid %d) %s", (int)pid, how);
}

/* An end that we have asked for is clean if the application says so, also in the words of a signal
 * (128+n). */
static void log_exit(const struct tenant *t, int status)
{
	int asked = config_stop_signal(t->run->conf->app);
	char how[64];

	if (t->life.state != TENANT_STOPPING || t->run->is_hung || status == 0 ||
		(WIFSIGNALED(status) && WTERMSIG(status) == asked) ||
		(WIFEXITED(status) && WEXITSTATUS(status) == 128 + asked))
		return;
	run_describe_exit(status, how, sizeof(how));
	log_warn("tenant " STR_FMT " was told to end and %s", STR_ARG(t->run->conf->id), how);
}

bool run_may_restart(struct tenant *t)
{
	const struct app_conf *app = t->run->conf->app;

	return tally_crash(
		&t->tally, loop_now(t->sup->loop), (size_t)app->max_restarts, app->restart_window);
}

static enum lifecycle_event exit_event(struct tenant *t)
{
	if (t->life.state != TENANT_RUNNING || t->sup->conf->is_single || run_may_restart(t))
		return EVENT_EXITED;
	return EVENT_CRASHED_OUT;
}

/* We have told it to end, and it is wanted: by a restart, or since its settings have changed.  Who
 * told it to end before that meant us, too. */
static bool starts_again(const struct tenant *t)
{
	return (t->life.state == TENANT_DRAINING || t->life.state == TENANT_STOPPING) &&
	       t->life.is_wanted && !t->run->is_told_to_end;
}

static void on_exit_status(void *arg, int status)
{
	struct tenant *t = arg;
	struct tenant_run *run = t->run;
	int port_fd = run->port_fd, port6_fd = run->port6_fd;
	pid_t pid = process_pid(run->process);

	run->process = NULL;
	run->port_fd = run->port6_fd = -1;
	run_forget_answered(run);
	health_forget(run);
	log_exit(t, status);
	blame_exit(t, pid, status);
	/* A server that does not set SO_REUSEADDR cannot bind what we hold for it: next time it is
	 * let go. */
	if (t->life.state == TENANT_STARTING && run->conf->app->listen == LISTEN_TCP)
		t->releases_port = !t->releases_port;
	if (t->sup->conf->is_single && !starts_again(t))
		supervisor_on_single_exit(t->sup, status);
	tenant_event(t, exit_event(t));
	/* Resets the connections that nobody has accepted.  Their requests find the new state. */
	close_fd(&port_fd);
	close_fd(&port6_fd);
}

/* --- effects --- */

void run_start(struct tenant *t)
{
	struct tenant_run *run = t->run;
	struct slot *slot = tenant_slot(t);
	uint64_t began = clock_usec();
	struct tenant_port port;
	char path[256];
	int r = choose_port(t, path, sizeof(path), &port);

	if (r == 0 && !t->sup->conf->is_single)
		tenant_folders_clean(run->conf, port.socket_path);
	if (r == 0)
		r = run_spawn(t, &run->conf->app->command, &port, on_exit_status);
	if (r < 0) {
		let_go_of_port(run);
		if (r == -EADDRINUSE && run->conf->app->port > 0)
			elsewhere_blame_owner(t, (unsigned)run->conf->app->port);
		else
			tenant_event(t, EVENT_BROKEN);
		return;
	}
	run->told_port = port.number;
	t->starts++;
	run->phase_began = clock_usec();
	t->wake.start = (run->phase_began - began) / 1000;
	atomic_store(&slot->port, port.number);
	atomic_store(&slot->is_ipv6, 0);
	atomic_fetch_add(&slot->generation, 1);
	atomic_store(&slot->busy_until, 0); /* what the former copy said, and can say no more */
	run->missing_files = wake_uses_backup(t) ? new_files_missing(run->conf) : 0;
	probe(t);
}

static void on_idle(struct timer *timer)
{
	struct tenant_run *run = container_of(timer, struct tenant_run, timer);

	if (!look_when_idle(run->tenant))
		run_rearm_idle(run->tenant);
}

bool run_try_idle(struct tenant *t)
{
	if (t->life.state != TENANT_RUNNING || busy_is(t) ||
		!slot_try_drain(tenant_slot(t), loop_now(t->sup->loop)))
		return false;
	tenant_event(t, EVENT_IDLE);
	return true;
}

/* Since when nobody has used it and it has not been at work; may lie ahead. */
static msec idle_since(const struct tenant *t)
{
	const struct slot *slot = tenant_slot(t);
	msec used = MAX(atomic_load(&slot->last_activity), atomic_load(&slot->since));
	msec busy = busy_last(t);

	return MAX(used, busy);
}

/* While a request is under way its end is unknown, but not before now: then one look a whole
 * idle_timeout later is early enough, and finds the exact moment.  So it is with one that is busy,
 * which may be told to be over at any time. */
void run_rearm_idle(struct tenant *t)
{
	const struct slot *slot = tenant_slot(t);
	msec idle = t->run->conf->app->idle_timeout, now = loop_now(t->sup->loop), due;

	timer_cancel(&t->run->timer);
	if (!idle || t->sup->conf->is_single)
		return;
	due = MIN(idle_since(t), now) + idle;
	if (atomic_load(&slot->in_flight)) {
		due = now + idle;
		proxy_child_ask(t->sup->proxy); /* one that hangs would count it for ever */
	} else if (due <= now && run_try_idle(t)) {
		return;
	}
	timer_set(&t->run->timer, t->sup->loop, due > now ? due : now + idle, on_idle);
}

static void log_wake(const struct tenant *t)
{
	struct buf *line = log_line_open(LOG_INFO, "tenant running");

	log_field_str(line, "tenant", t->run->conf->id);
	log_field_number(line, "pid", process_pid(t->run->process));
	log_field_number(line, "restore_ms", (int64_t)t->wake.restore);
	log_field_number(line, "prepare_ms", (int64_t)t->wake.prepare);
	log_field_number(line, "start_ms", (int64_t)t->wake.start);
	log_field_number(line, "ready_ms", (int64_t)t->wake.ready);
	log_line_close(line);
}

void run_serve(struct tenant *t)
{
	struct tenant_run *run = t->run;

	if (run->conf->app->listen == LISTEN_TCP)
		let_go_of_port(run); /* the application has it now */
	log_wake(t);
	process_learn(run->process);
	run_rearm_idle(t);
	look_soon(t);
	if (run->missing_files)
		new_files_watch(t);
}
