/* process.c - our children: started, read from, signalled, and cleaned up after. */
/* SPDX-License-Identifier: MIT */
#include "process/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/magic.h"
#include "loop/child.h"
#include "process/lines.h"
#include "process/process_int.h"

#define READ_SIZE     65536
#define REST_INTERVAL 1	   /* msec between two looks at what is left of a group */
#define REST_LIMIT    2000 /* msec; what the kernel has not ended by then hangs in a driver */

struct process_output {
	struct watch watch;
	struct process *process;
	enum process_stream stream;
	struct lines lines;
};

enum { PROCESS_MAGIC = MAGIC('p', 'r', 'o', 'c') };

struct process {
	uint32_t magic;
	struct list link; /* in processes */
	struct loop *loop;
	struct child child;
	struct process_output outputs[2];
	msec rest_until; /* once it has ended */
	uint64_t serial;
	uint64_t label;		  /* 0: none */
	int label_fd;		  /* keeps its number from being reused; -1 */
	uint64_t started;	  /* just before the start, as of ticks_now */
	struct sessions sessions; /* of its descendants, as far as we have seen them */
	int status;
	bool has_ended; /* and was reaped: the pid may be another process's */
	bool has_group;
	bool is_tenants; /* walled, and runs as our user */
	char *name;
	process_line_fn *on_line;
	process_exit_fn *on_exit;
	void *arg;
};

static struct list processes = {&processes, &processes};
static struct timer rest_timer; /* looks for what is left of all those that have ended */
static uint64_t last_serial;
static bool has_tenants;	   /* one was started once */
static uint64_t former_open_files; /* soft limit before process_raise_open_files; 0: not raised */

/* --- output --- */

static void on_output_line(void *arg, str line, bool is_cut)
{
	struct process_output *o = arg;

	o->process->on_line(o->process->arg, o->stream, line, is_cut);
}

static void close_output(struct process_output *o)
{
	int fd = o->watch.fd;

	if (!o->watch.loop || fd < 0)
		return;
	watch_close(&o->watch);
	close(fd);
	lines_end(&o->lines, on_output_line, o);
}

/* One piece at a time: a process that never stops writing must not keep the loop from others. False
 * at the end. */
static bool read_output(struct process_output *o)
{
	char bytes[READ_SIZE];
	ssize_t n = read(o->watch.fd, bytes, sizeof(bytes));

	if (n > 0)
		lines_feed(&o->lines, (str){bytes, (size_t)n}, PROCESS_LINE_MAX, on_output_line, o);
	return n > 0 || (n < 0 && errno == EINTR);
}

static void on_output_event(struct watch *w, unsigned events)
{
	struct process_output *o = container_of(w, struct process_output, watch);

	(void)events;
	errno = 0;
	if (!read_output(o) && errno != EAGAIN)
		close_output(o);
}

/* What is in the pipe is read; a process that escaped us may still hold the other end. */
static void drain_output(struct process_output *o)
{
	if (!o->watch.loop || o->watch.fd < 0)
		return;
	while (read_output(o))
		;
	close_output(o);
}

/* --- the end --- */

static void finish_process(struct process *p)
{
	for (size_t i = 0; i < NITEMS(p->outputs); i++)
		drain_output(&p->outputs[i]);
	if (p->has_group)
		guard_remove(-p->child.pid);
	for (size_t i = 0; i < p->sessions.count; i++)
		guard_remove(-p->sessions.items[i]);
	list_remove(&p->link);
	p->on_exit(p->arg, p->status);
	free(p->sessions.items);
	close_fd(&p->label_fd);
	free(p->name);
	MAGIC_END(p, PROCESS_MAGIC);
	loop_defer_free(p->loop, p);
}

static bool has_session(const struct process *p, pid_t session)
{
	for (size_t i = 0; i < p->sessions.count; i++)
		if (p->sessions.items[i] == session)
			return true;
	return false;
}

/* Living ones come first: the kernel reuses labels and sessions of the dead. */
static bool has_owner(const struct stray *s, bool is_orphan, bool is_alive)
{
	list_foreach (p, &processes, struct process, link)
		if (p->has_ended != is_alive && ((s->serial && p->serial == s->serial) ||
							(s->label && p->label == s->label) ||
							(is_orphan && has_session(p, s->session))))
			return true;
	return false;
}

/* A process runs that may have started it. */
static bool has_possible_owner(const struct stray *s)
{
	list_foreach (p, &processes, struct process, link)
		if (!p->has_ended && p->is_tenants && p->started <= s->started)
			return true;
	return false;
}

/* An orphan that belongs to none of ours comes from a tenant, and has left everything by which we
 * know it: what we started ourselves and do not watch is in our session.  PID 1 also gets the
 * orphans of strangers: there only a label tells. */
static bool is_lost(const struct stray *s)
{
	if (s->session == getsid(0) || (getpid() == 1 && (!label_is_possible() || !s->label)))
		return false;
	return !has_possible_owner(s);
}

static bool is_watched(pid_t pid);

static bool is_left_over(void *arg, const struct stray *s)
{
	bool is_orphan = s->parent == getpid();

	(void)arg;
	if (is_watched(s->pid) || has_owner(s, is_orphan, true))
		return false;
	return s->serial || has_owner(s, is_orphan, false) || (is_orphan && is_lost(s));
}

/* A group keeps its number until its last member is reaped, so this hits nobody else. */
static bool is_group_gone(const struct process *p)
{
	return !p->has_group || kill(-p->child.pid, SIGKILL) < 0;
}

/* An owner is told of the end when nothing is left; a callback may start or end others, hence one
 * at a time. */
static struct process *next_to_finish(bool is_swept, msec now)
{
	list_foreach (p, &processes, struct process, link) {
		if (!p->has_ended)
			continue;
		if (is_swept && is_group_gone(p))
			return p;
		if (now >= p->rest_until) {
			log_warn("%s: some of its processes do not end", p->name);
			return p;
		}
	}
	return NULL;
}

static void on_rest(struct timer *t)
{
	struct loop *l = t->loop;
	struct process *p;
	bool is_swept;

	process_reap_orphans();
	is_swept = strays_signal(SIGKILL, is_left_over, NULL) == 0;
	while ((p = next_to_finish(is_swept, loop_now(l))))
		finish_process(p);
	list_foreach (rest, &processes, struct process, link)
		if (rest->has_ended)
			timer_set(t, l, loop_now(l) + REST_INTERVAL, on_rest);
}

/* The leader is still a zombie, so its number cannot have been reused. */
static void before_reap(struct child *c)
{
	struct process *p = container_of(c, struct process, child);

	MAGIC_CHECK(p, PROCESS_MAGIC);
	if (p->has_group)
		kill(-c->pid, SIGKILL);
	else
		guard_remove(c->pid);
}

static void on_child_exit(struct child *c, int status)
{
	struct process *p = container_of(c, struct process, child);

	MAGIC_CHECK(p, PROCESS_MAGIC);
	p->has_ended = true;
	p->status = status;
	p->rest_until = loop_now(p->loop) + REST_LIMIT;
	timer_set(&rest_timer, p->loop, loop_now(p->loop), on_rest);
}

static bool is_tenants_leader(pid_t pid)
{
	list_foreach (p, &processes, struct process, link)
		if (p->is_tenants && p->has_group && p->child.pid == pid)
			return true;
	return false;
}

/* An orphan comes from a tenant, unless we are PID 1. */
static bool is_tenants_orphan(const struct stray *s)
{
	return s->parent == getpid() && getpid() != 1 && s->session != getsid(0) && has_tenants;
}

bool process_is_tenants(pid_t pid)
{
	struct stray s = {.parent = pid};

	while (s.parent > 1 && s.parent != getpid()) {
		if (!stray_read(s.parent, &s))
			return true; /* it asked, and hides */
		if (is_tenants_leader(s.pid) || s.label || s.serial || is_tenants_orphan(&s))
			return true;
	}
	return false;
}

/* --- the start --- */

static const char *search_path(char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0 && (*env)[5])
			return *env + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* Every place where the program may be, in order: execve will find out. */
static char **program_paths(const struct process_spec *spec)
{
	const char *name = spec->program ? spec->program : spec->argv[0];
	str rest = str_of(search_path(spec->env)), folder;
	char **paths = xcalloc(rest.n + 2, sizeof(*paths));
	size_t n = 0;

	if (strchr(name, '/')) {
		paths[0] = xstrdup(name);
		return paths;
	}
	while (str_split(&rest, ':', &folder))
		paths[n++] = xasprintf(STR_FMT "/%s", STR_ARG(folder.n ? folder : STR(".")), name);
	return paths;
}

/* The mark comes first.  spec->env stays the owner of its strings, so only the first two may be
 * freed. */
static void make_env(struct launch *l, uint64_t serial)
{
	size_t n = 0, at = 0;
	bool listens = false;

	while (l->spec->env[n])
		listens |= strncmp(l->spec->env[n++], "LISTEN_FDS=", 11) == 0;
	l->env = xcalloc(n + 3, sizeof(*l->env));
	l->env[at] = xmalloc(MARK_MAX);
	mark_write(l->env[at++], serial);
	if (listens) {
		l->env[at] = xcalloc(1, sizeof("LISTEN_PID=") + 20);
		memcpy(l->env[at], "LISTEN_PID=", strlen("LISTEN_PID="));
		l->listen_pid = l->env[at++] + strlen("LISTEN_PID=");
	}
	for (size_t i = 0; i < n; i++)
		if (strncmp(l->spec->env[i], "LISTEN_PID=", 11) != 0)
			l->env[at++] = l->spec->env[i];
}

static void free_env(struct launch *l)
{
	free(l->env[0]);
	if (l->listen_pid)
		free(l->env[1]);
	free(l->env);
}

/* Our end of a pipe whose other end goes to the child. */
static int open_output(struct process *p, enum process_stream stream, int *ret_child_end)
{
	struct process_output *o = &p->outputs[stream];
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*o = (struct process_output){.process = p, .stream = stream};
	r = fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0
		    ? -errno
		    : watch_open_read(&o->watch, p->loop, fds[0], on_output_event);
	if (r < 0) {
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	*ret_child_end = fds[1];
	return 0;
}

static int open_outputs(struct process *p, struct launch *l)
{
	int r = 0;

	for (int i = 0; i < 2 && r == 0 && !l->spec->inherits_output; i++)
		r = open_output(p, (enum process_stream)i, &l->outputs[i]);
	return r;
}

static int launch(struct process *p, struct launch *l, const char **ret_step)
{
	pid_t pid = -1;
	int r;

	*ret_step = "output";
	r = open_outputs(p, l);
	if (r == 0)
		r = launch_run(l, &pid, ret_step);
	close_fd(&l->outputs[0]);
	close_fd(&l->outputs[1]);
	if (r < 0)
		return r;
	*ret_step = "watch";
	r = child_open(&p->child, p->loop, pid, on_child_exit);
	p->child.before_reap = before_reap;
	if (l->is_labelled)
		p->label_fd = label_open(pid);
	if (p->label_fd >= 0)
		p->label = label_of(pid);
	guard_label(-pid, p->label);
	if (r < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		guard_remove(p->has_group ? -pid : pid);
	}
	return r;
}

int process_start(struct loop *l, const struct process_spec *spec, struct process **ret,
	const char **ret_step)
{
	struct process *p = xcalloc(1, sizeof(*p));
	struct launch start = {.spec = spec,
		.outputs = {-1, -1},
		.max_open_files = spec->max_open_files,
		.report_fd = -1};
	int r;

	*p = (struct process){.magic = PROCESS_MAGIC,
		.loop = l,
		.serial = ++last_serial,
		.label_fd = -1,
		.has_group = !spec->inherits_group,
		.is_tenants = spec->is_walled && !spec->user,
		.started = ticks_now(),
		.name = xstrdup(spec->name),
		.on_line = spec->on_line,
		.on_exit = spec->on_exit,
		.arg = spec->arg};
	list_init(&p->link);
	if (!start.max_open_files)
		start.max_open_files = former_open_files;
	make_env(&start, p->serial);
	start.paths = program_paths(spec);
	r = launch(p, &start, ret_step);
	strings_free(start.paths);
	free_env(&start);
	if (r == 0) {
		list_append(&processes, &p->link);
		has_tenants |= p->is_tenants && p->has_group;
		*ret = p;
		return 0;
	}
	for (size_t i = 0; i < NITEMS(p->outputs); i++)
		close_output(&p->outputs[i]);
	close_fd(&p->label_fd);
	free(p->name);
	MAGIC_END(p, PROCESS_MAGIC);
	free(p);
	return r;
}

pid_t process_pid(const struct process *p)
{
	MAGIC_CHECK(p, PROCESS_MAGIC);
	return p->child.pid;
}

void process_learn(struct process *p)
{
	uint64_t now = ticks_now();
	size_t i;

	MAGIC_CHECK(p, PROCESS_MAGIC);
	if (!p->is_tenants || !p->has_group || p->has_ended)
		return;
	for (i = 0; i < p->sessions.count; i++)
		guard_remove(-p->sessions.items[i]);
	descent_sessions(p->child.pid, p->child.pid, &p->sessions);
	for (i = 0; i < p->sessions.count; i++)
		guard_add_session(p->sessions.items[i], now);
}

int process_signal(struct process *p, int signo)
{
	MAGIC_CHECK(p, PROCESS_MAGIC);
	if (p->has_ended)
		return -ESRCH;
	process_learn(p);
	if (!p->has_group)
		return child_signal(&p->child, signo);
	return kill(-p->child.pid, signo) < 0 ? -errno : 0;
}

/* --- for all of them --- */

void process_raise_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	former_open_files = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		former_open_files = 0;
}

void process_adopt_orphans(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		log_warn("orphaned processes of tenants will not be reaped by us: %m");
}

static bool is_watched(pid_t pid)
{
	list_foreach (p, &processes, struct process, link)
		if (p->child.pid == pid && !p->has_ended)
			return true;
	return guard_is(pid);
}

/* Looks without reaping.  A watched one is reaped by its watch, which calls us again. */
void process_reap_orphans(void)
{
	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 ||
			is_watched(info.si_pid))
			return;
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

void process_describe_exit(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status),
			sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}
