/* supervisor.c - the trusted process: the order of its start and of its end, and signals. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/supervisor.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "control/events.h"
#include "loop/work.h"
#include "process/guard.h"
#include "supervisor/fleet.h"
#include "supervisor/notify.h"
#include "supervisor/opening_thread.h"
#include "supervisor/operator.h"
#include "supervisor/proxy_child.h"
#include "supervisor/proxy_user.h"
#include "supervisor/purge.h"
#include "supervisor/reload.h"
#include "supervisor/roster_watch.h"
#include "supervisor/run_dir.h"
#include "supervisor/supervisor_int.h"
#include "supervisor/terminal.h"
#include "target/target.h"
#include "tenant/environment.h"
#include "tenant/secret.h"

#define FLUSH_LIMIT 2000 /* msec for the last lines of the log */

/* --- the end --- */

static void kill_everything(struct supervisor *s)
{
	log_warn("told to end again: what still runs is killed");
	s->ending.is_impatient = true;
	proxy_child_kill(s->proxy);
	hooks_kill(s);
	backup_await_no_longer(s->backup);
	tenants_kill(s->tenants);
	ending_check(s); /* but for what is not waited for now */
}

static void end(struct supervisor *s)
{
	msec limit = s->conf->server.drain_timeout;

	if (s->end.is_ending) {
		if (!s->ending.is_impatient)
			kill_everything(s);
		return;
	}
	s->end.is_ending = true;
	notify_send("STOPPING=1");
	log_info("ending");
	control_on_ending(s->control);
	reload_give_up(s);
	sleep_end(s);
	if (s->conf->is_single)
		limit = limit ? MIN(limit, (msec)SUPERVISOR_SINGLE_DRAIN) : SUPERVISOR_SINGLE_DRAIN;
	proxy_child_drain(s->proxy, limit);
	found_stop(s);
	roster_watch_stop(s);
	listeners_close(&s->listening.listeners); /* the proxy has its own; from here on other
						     programs may have the port */
	tenants_end(s->tenants);
	ending_check(s);
}

/* --- a single application --- */

static void on_single_exit(void *arg, int status)
{
	struct supervisor *s = arg;

	if (s->end.is_ending)
		return;
	s->ending.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	end(s);
}

static void on_single_failed(void *arg, const char *reason)
{
	struct supervisor *s = arg;

	if (s->end.is_ending)
		return;
	fprintf(stderr, "fly-atc: %s\n", reason);
	s->ending.status = 1;
	end(s);
}

/* As if we were not there: every signal reaches the application, every time. */
static void relay(struct supervisor *s, int signo)
{
	bool is_end = signo == SIGTERM || signo == SIGINT || signo == SIGQUIT || signo == SIGHUP;

	if (tenants_relay(s->tenants, signo) || !is_end)
		return;
	s->ending.status = s->end.is_ending ? s->ending.status : 128 + signo;
	end(s);
}

/* --- signals --- */

static const int signals[] = {
	SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH, SIGCHLD, 0};

/* A user who closes the terminal wants us gone, and the port free; the signal may come twice. */
static void on_hangup(struct supervisor *s)
{
	if (s->end.is_ending)
		return;
	if (s->end.has_terminal && !terminal_is_there())
		end(s);
	else {
		found_look(s);
		reload_start(s, NULL, NULL);
	}
}

static void on_signal(void *arg, const struct signalfd_siginfo *info)
{
	struct supervisor *s = arg;
	int signo = (int)info->ssi_signo;

	if (signo == SIGCHLD) {
		process_reap_orphans();
	} else if (s->conf->is_single) {
		relay(s, signo);
	} else if (signo == SIGTERM || signo == SIGINT || signo == SIGQUIT) {
		end(s);
	} else if (signo == SIGHUP) {
		on_hangup(s);
	} else {
		log_debug("signal %s means nothing to fly-atc with tenants", sigabbrev_np(signo));
	}
}

/* --- what the proxy reports --- */

static void on_listening(void *arg)
{
	struct supervisor *s = arg;

	tenants_announce(s->tenants);
	control_on_proxy(s->control, true);
	if (s->started.has_announced)
		return;
	s->started.has_announced = true;
	notify_send("READY=1");
	log_info("serving on %s, %zu tenants", s->listening.address, s->conf->ntenants);
}

static void on_configured(void *arg)
{
	reload_on_configured(arg);
}

static void on_wake(void *arg, uint32_t slot)
{
	struct supervisor *s = arg;

	roster_watch_wake(s);
	tenants_wake(s->tenants, slot);
}

static void on_stir(void *arg, msec ahead)
{
	sleep_on_stir(arg, ahead);
}

static void on_stuck(void *arg, uint32_t slot)
{
	struct supervisor *s = arg;

	tenants_suspect(s->tenants, slot);
}

static void on_store_asked(void *arg)
{
	store_watch_asked(arg);
}

static void on_roster_asked(void *arg, uint64_t number)
{
	roster_watch_asked(arg, number);
}

static void on_roster_told(void *arg, uint64_t version)
{
	roster_watch_told(arg, version);
}

static void on_request(void *arg)
{
	roster_watch_busy(arg);
}

static void on_reach(void *arg, str machine, uint32_t generation)
{
	fleet_reach(arg, machine, generation);
}

static void on_purged(void *arg, uint64_t serial, uint32_t entries)
{
	purge_on_answer(arg, serial, entries);
}

static void on_proxy_died(void *arg)
{
	struct supervisor *s = arg;

	scoreboard_forget_proxy(&s->board, tenants_slots(s->tenants));
	roster_watch_forget_proxy(s);
	purge_on_proxy_gone(s);
}

static void on_proxy_crashed(void *arg)
{
	const struct supervisor *s = arg;

	control_on_proxy(s->control, false);
}

static void on_proxy_gone(void *arg)
{
	struct supervisor *s = arg;

	s->ending.is_proxy_gone = true;
	ending_check(s);
}

static const struct proxy_events proxy_events = {
	.on_listening = on_listening,
	.on_configured = on_configured,
	.on_wake = on_wake,
	.on_stuck = on_stuck,
	.on_stir = on_stir,
	.on_store_asked = on_store_asked,
	.on_roster_asked = on_roster_asked,
	.on_roster_told = on_roster_told,
	.on_request = on_request,
	.on_reach = on_reach,
	.on_purged = on_purged,
	.on_died = on_proxy_died,
	.on_crashed = on_proxy_crashed,
	.on_gone = on_proxy_gone,
};

/* --- what tenants report --- */

static void tell_proxy(void *arg, uint32_t slot, enum tenant_state state, str text)
{
	const struct supervisor *s = arg;

	proxy_child_send_state(s->proxy, slot, state, text);
}

static void ask_proxy(void *arg)
{
	const struct supervisor *s = arg;

	proxy_child_ask(s->proxy);
}

static void on_change(void *arg, const struct control_change *change)
{
	const struct supervisor *s = arg;

	control_on_change(s->control, change);
}

static void on_output(void *arg, str id, const struct control_line *line)
{
	const struct supervisor *s = arg;

	if (s->control)
		control_on_output(s->control, id, line);
}

static void on_rest(void *arg)
{
	sleep_on_rest(arg);
	ending_check_soon(arg);
}

static const struct tenant_host tenant_host = {
	.tell_proxy = tell_proxy,
	.ask_proxy = ask_proxy,
	.on_change = on_change,
	.on_output = on_output,
	.on_rest = on_rest,
	.on_single_exit = on_single_exit,
	.on_single_failed = on_single_failed,
};

static void wake_first(struct supervisor *s)
{
	if (s->conf->is_single)
		tenants_wake(s->tenants, s->conf->tenants[0].slot);
	else if (custody_is_alone(s->own.custody))
		tenants_wake_at_boot(s->tenants);
}

static void ask_if_alive(struct supervisor *s)
{
	proxy_child_ask(s->proxy);
}

static void tell_resumed(struct supervisor *s)
{
	proxy_child_tell_resumed(s->proxy);
}

static void read_roster(struct supervisor *s, control_roster_fn *done)
{
	roster_watch_resume(s, done, s);
}

static const struct sleep_ops sleep_ops = {
	.end = end,
	.start = wake_first,
	.settle = ending_check_soon,
	.ask = ask_if_alive,
	.tell = tell_resumed,
	.look = read_roster,
};

/* --- the start --- */

static int load_secret(struct supervisor *s, char **ret_reason)
{
	struct environment env = {0};
	char *path;
	int r;

	if (s->conf->is_single)
		return 0;
	path = xasprintf(STR_FMT "/.secret", STR_ARG(s->conf->server.storage));
	environment_copy(&env, s->source->environ);
	r = secret_master(environment_value(&env, "SECRET_KEY_BASE"), path, &s->own.secret);
	if (r < 0)
		*ret_reason = xasprintf(
			"cannot read or make the master secret %s: %s; repair it, or set SECRET_KEY_BASE",
			path, strerror(-r));
	environment_done(&env);
	free(path);
	return r;
}

static char *describe_address(const struct supervisor *s)
{
	if (s->listening.listeners.is_inherited && !s->listening.listeners.port)
		return xstrdup("an inherited socket");
	if (s->conf->server.address.n && !s->listening.listeners.is_inherited)
		return xasprintf(STR_FMT ":%u", STR_ARG(s->conf->server.address),
			s->listening.listeners.port);
	return xasprintf("*:%u", s->listening.listeners.port);
}

/* Clients find an open port before anything else is done. */
static int open_doors(struct supervisor *s, struct locks *locks, char **ret_reason)
{
	int r = listeners_open(&s->listening.listeners, &s->conf->server,
		listeners_threads(&s->conf->server), ret_reason);

	if (r < 0)
		return r;
	s->listening.address = describe_address(s);
	r = locks_take(locks, s->loop, s->conf, ret_reason);
	s->own.has_run_dir = r == 0;
	s->own.custody = locks->custody;
	s->own.run_dir = str_dup(s->conf->server.run_dir);
	s->own.private_dir = xasprintf("%s/" CONFIG_PRIVATE_RUN_DIR, s->own.run_dir);
	s->own.control_path = str_dup(s->conf->server.control_socket);
	if (r < 0 && s->conf->is_single) { /* like Thruster, it can do without */
		log_warn("no control socket: %s", *ret_reason);
		free(*ret_reason);
		return 0;
	}
	return r;
}

static void open_control(struct supervisor *s)
{
	char *reason;

	if (!s->own.has_run_dir)
		return;
	s->control = control_new(s->loop, str_of(s->own.control_path), &operator_ops, s, &reason);
	if (s->control)
		return;
	log_error("no control socket: %s", reason);
	free(reason);
}

/* The machines of a region say which of them its users live on. */
static void load_with_found(struct supervisor *s)
{
	struct config_source source = *s->source;
	struct config_faults faults;
	struct config *c;

	if (s->roster.newest)
		source.roster = buf_str(&s->roster.newest->text);
	source.fleet_secret = str_of(s->roster.fleet_secret ? s->roster.fleet_secret : "");
	found_add_to(s->fleet.found.set, &source);
	c = config_load(&source, &faults);
	config_faults_done(&faults);
	if (!c)
		return; /* it was changed meanwhile; a reload will say so */
	own_paths_keep(&s->own, c);
	config_unref(s->conf);
	s->conf = c;
	target_configure(s->target, c);
}

static int open_target(struct supervisor *s, char **ret_reason)
{
	s->target = target_new(
		&(struct target_setup){
			.loop = s->loop,
			.conf = s->conf,
			.environ = s->source->environ,
			.port = s->listening.listeners.port,
		},
		ret_reason);
	if (!s->target)
		return -EINVAL;
	if (found_begin(s))
		load_with_found(s);
	return 0;
}

static int prepare(struct supervisor *s, struct locks *locks, char **ret_reason)
{
	int r = open_doors(s, locks, ret_reason), kept[CUSTODY_FDS];

	if (r == 0)
		r = roster_watch_open(s, ret_reason);
	if (r == 0)
		r = open_target(s, ret_reason);
	if (r == 0)
		r = proxy_user_find(s->conf->server.user, &s->proxy_user, ret_reason);
	if (r == 0)
		r = load_secret(s, ret_reason);
	if (r < 0)
		return r;
	malloc_trim(0); /* reading a large configuration takes much more than keeping it */
	r = scoreboard_new(&s->board);
	if (r == 0)
		r = config_assign_slots(s->conf, NULL, NULL, 0, SCOREBOARD_TENANTS);
	custody_fds(s->own.custody, kept);
	if (r == 0)
		r = guard_start(s->loop, kept, CUSTODY_FDS);
	if (r == 0)
		r = signals_open(&s->signals, s->loop, signals, on_signal, s);
	if (r < 0)
		*ret_reason = xasprintf("cannot start: %s", strerror(-r));
	return r;
}

static bool is_any(const struct config *c, bool (*claim)(const struct app_conf *app))
{
	for (size_t i = 0; i < c->ntenants; i++)
		if (claim(c->tenants[i].app))
			return true;
	return false;
}

static bool has_private_directories(const struct app_conf *app)
{
	return app->private_directories.count;
}

static bool listens_on_unix(const struct app_conf *app)
{
	return app->listen == LISTEN_UNIX;
}

static bool can_proxy_enter(const struct supervisor *s)
{
	struct stat st;

	return geteuid() != 0 || stat(s->own.run_dir, &st) < 0 || (st.st_mode & S_IXOTH) ||
	       st.st_uid == s->proxy_user.uid;
}

/* What the configuration asks for but this machine does not allow. */
static void warn_of_limits(const struct supervisor *s)
{
	if (s->conf->is_single)
		return;
	if (is_any(s->conf, has_private_directories) && !process_can_mount())
		log_warn("mount namespaces are not permitted here: only the environment keeps "
			 "tenants apart, private_directories are without effect");
	if (is_any(s->conf, listens_on_unix) && !can_proxy_enter(s))
		log_warn(
			"%s is closed to the proxy, which cannot reach tenants with `listen: unix`: "
			"chmod 711 it",
			s->own.run_dir);
}

static void on_backup_refused(void *arg, const struct backup_result *r)
{
	struct supervisor *s = arg;

	log_error("%s", r->reason);
	s->ending.status = 1;
	if (!s->end.is_ending)
		end(s);
}

static struct tenants *keep_tenants(struct supervisor *s)
{
	return tenants_new(&(struct tenants_setup){
		.loop = s->loop,
		.conf = s->conf,
		.board = &s->board,
		.backup = s->backup,
		.custody = s->own.custody,
		.environ = s->source->environ,
		.secret = s->own.secret,
		.proxy = &s->proxy_user,
		.own_port = s->listening.listeners.port,
		.host = &tenant_host,
		.host_arg = s,
	});
}

/* --- other fly-atc with this storage --- */

static void on_alone(void *arg)
{
	struct supervisor *s = arg;

	if (s->end.is_ending)
		return;
	if (s->sleeping.step != SLEEP_BOOTING) /* else after its hook */
		tenants_wake_at_boot(s->tenants);
	backup_catch_up(s->backup, s->conf);
}

static void on_wanted(void *arg, str id)
{
	struct supervisor *s = arg;

	tenants_wanted_elsewhere(s->tenants, id);
}

static const struct custody_events custody_events = {
	.on_alone = on_alone,
	.on_wanted = on_wanted,
};

/* What need not be asked for is begun: those that run from boot, and what a killed one left. */
static int begin_work(struct supervisor *s, char **ret_reason)
{
	int r = s->own.custody ? custody_listen(s->own.custody, &custody_events, s) : 0;

	if (r < 0) {
		*ret_reason = xasprintf(
			"cannot share the storage with another fly-atc: %s", strerror(-r));
		return r;
	}
	sleep_start(s);
	if (custody_is_alone(s->own.custody))
		backup_catch_up(s->backup, s->conf);
	return 0;
}

static int start_all(struct supervisor *s, struct locks *locks, char **ret_reason)
{
	int r = prepare(s, locks, ret_reason);

	if (r < 0)
		return r;
	places_take(s, s->conf);
	s->backup = backup_new(s->loop, s->conf, str_of(s->own.private_dir), ret_reason);
	if (!s->backup)
		return -EINVAL;
	backup_on_refused(s->backup, on_backup_refused, s);
	s->tenants = keep_tenants(s);
	r = opening_thread_start(s->conf, &s->opener);
	if (r < 0) {
		*ret_reason = xasprintf("cannot start a thread: %s", strerror(-r));
		return r;
	}
	s->proxy = proxy_child_new(s, &proxy_events, ret_reason);
	if (!s->proxy)
		return -EIO;
	open_control(s);
	warn_of_limits(s);
	r = begin_work(s, ret_reason);
	if (r == 0)
		store_watch_asked(s);
	return r;
}

static void done(struct supervisor *s, struct locks *locks)
{
	control_free(s->control);
	s->control = NULL; /* what still ends has nobody to tell */
	sleep_done(s);
	proxy_child_free(s->proxy);
	target_stop(s->target);
	fleet_done(&s->fleet);
	herald_done(&s->roster.herald);
	found_done(s);
	opening_thread_stop(s->opener);
	tenants_free(s->tenants);
	s->tenants = NULL; /* there is another turn to come */
	backup_free(s->backup);
	places_done(&s->places);
	signals_close(&s->signals);
	guard_stop();
	listeners_close(&s->listening.listeners);
	scoreboard_done(&s->board);
	locks_release(locks);
	free(s->listening.address);
	free(s->own.run_dir);
	free(s->own.private_dir);
	free(s->own.control_path);
	free(s->own.secret);
	free(s->roster.fleet_secret);
	config_unref(s->conf);
}

static void on_supervisor_turn(void *arg)
{
	const struct supervisor *s = arg;

	if (s->tenants)
		tenants_tell(s->tenants);
	log_publish();
}

static void on_fleet_changed(struct supervisor *s)
{
	reload_start(s, NULL, NULL);
}

static struct supervisor *supervisor_new(
	struct loop *take_loop, struct config *take_conf, const struct config_source *source)
{
	struct supervisor *s = xcalloc(1, sizeof(*s));

	s->loop = take_loop;
	s->reloading.work = work_new(s->loop, 1);
	s->conf = take_conf;
	s->source = source;
	s->board.fd = -1;
	s->started.at = clock_now();
	s->end.has_terminal = terminal_holds_us();
	sleep_init(s, &sleep_ops);
	list_init(&s->purging.waiting);
	list_init(&s->reloading.to_use);
	list_init(&s->reloading.to_load);
	places_init(&s->places);
	fleet_init(&s->fleet, on_fleet_changed);
	herald_init(&s->roster.herald);
	return s;
}

static void on_last_turn(struct timer *timer)
{
	loop_stop(timer->loop);
}

/* One more turn of the loop, for what was deferred. */
static void finish_turn(struct supervisor *s)
{
	struct timer timer = {0};

	timer_set(&timer, s->loop, clock_now(), on_last_turn);
	loop_run(s->loop);
}

int supervisor_run(struct config *take_conf, const struct config_source *source)
{
	struct locks locks = {-1, NULL};
	struct supervisor *s;
	struct loop *loop;
	char *reason;
	int status;

	process_raise_open_files();
	loop = loop_new();
	if (!loop) {
		fprintf(stderr, "fly-atc: cannot start: %s\n", strerror(errno));
		config_unref(take_conf);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	process_adopt_orphans();
	s = supervisor_new(loop, take_conf, source);
	loop_on_turn(s->loop, on_supervisor_turn, s);
	if (start_all(s, &locks, &reason) == 0) {
		loop_run(s->loop);
	} else {
		fprintf(stderr, "fly-atc: %s\n", reason);
		free(reason);
		s->ending.status = 1;
	}
	done(s, &locks);
	finish_turn(s);
	/* A file that cannot be read, and we were told to end twice; or a platform that is silent.
	 */
	if (work_pending(s->reloading.work) || target_is_pending(s->target) ||
		(s->roster.work && work_pending(s->roster.work))) {
		log_flush(FLUSH_LIMIT);
		_exit(s->ending.status);
	}
	work_free(s->reloading.work);
	roster_watch_free(s);
	target_free(s->target);
	loop_free(s->loop);
	status = s->ending.status;
	free(s);
	log_flush(FLUSH_LIMIT);
	return status;
}
