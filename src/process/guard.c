/* guard.c - the guard processes, and the table that tells them what to kill. */
/* SPDX-License-Identifier: MIT */
#include "process/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "loop/child.h"
#include "process/process_int.h"

/* Pages of the table come into being when they are used. */
#define MAX_TARGETS 131072u

/* Two, so that one is left when the other is killed together with us: a kill by name or by command
 * line (`pkill -9 fly-atc`) finds the first and us.  Either one is enough. */
static struct sentry {
	const char *name;
	bool is_disguised; /* its command line is its name */
	struct child child;
	int pipe_fd; /* our end; -1 without this one */
} sentries[] = {
	{.name = "fly-atc-guard", .pipe_fd = -1},
	{.name = "atc-guard", .is_disguised = true, .pipe_fd = -1},
};

static struct {
	struct loop *loop;
	int fds[GUARD_FDS_MAX];
	size_t nfds;
	struct guard_table {
		uint32_t used; /* targets beyond are empty */
		struct guarded {
			pid_t pid;	/* as kill(2) takes it; 0: empty */
			uint64_t label; /* 0: none */
			uint64_t
				learned; /* of a session; 0: it is no session but a group of ours */
		} targets[MAX_TARGETS];
	} * table;
} guard;

/* What we tell it through the pipe. */
enum word {
#define WORD(NAME, doc) WORD_##NAME,
#include "process/guard.def"
};

/* In the guard: descriptors of the labels in the table.  While it holds one, the label's number
 * cannot be reused; a number without a descriptor is not trusted. */
static struct guard_hold {
	int fd_and_one; /* 0: none */
	uint64_t label;
} holds[MAX_TARGETS];

static void hold_label(struct guard_hold *h, const struct guarded *t)
{
	int fd;

	if (h->fd_and_one && h->label != t->label) {
		close(h->fd_and_one - 1);
		*h = (struct guard_hold){0};
	}
	if (!t->label || h->fd_and_one)
		return;
	fd = label_open(-t->pid);
	if (fd < 0)
		return;
	if (label_of(-t->pid) == t->label)
		*h = (struct guard_hold){fd + 1, t->label};
	else
		close(fd);
}

static void hold_labels(void)
{
	for (uint32_t i = 0; i < guard.table->used; i++)
		hold_label(&holds[i], &guard.table->targets[i]);
}

/* A group of ours is also a session. */
static bool is_of_target(const struct guarded *t, const struct guard_hold *h, const struct stray *s)
{
	return t->pid &&
	       ((s->label && h->fd_and_one && s->label == h->label) ||
		       (s->session == -t->pid && (!t->learned || s->started <= t->learned)));
}

static bool is_our_stray(void *arg, const struct stray *s)
{
	(void)arg;
	if (s->serial)
		return true;
	for (uint32_t i = 0; i < guard.table->used; i++)
		if (is_of_target(&guard.table->targets[i], &holds[i], s))
			return true;
	return false;
}

static bool still_runs(void *arg, const struct stray *s)
{
	return !s->is_stopped && is_our_stray(arg, s);
}

/* First stops all of them, so that none forks while we look. */
static void kill_all(void)
{
	static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	for (int round = 0; round < 50 && strays_signal(SIGSTOP, still_runs, NULL); round++)
		continue;
	for (uint32_t i = 0; i < guard.table->used; i++)
		if (guard.table->targets[i].pid && !guard.table->targets[i].learned)
			kill(guard.table->targets[i].pid, SIGKILL);
	for (int round = 0; round < 50 && strays_signal(SIGKILL, is_our_stray, NULL); round++)
		nanosleep(&pause, NULL);
}

/* The memory at argv[0] is our command line. */
static void disguise(const char *name)
{
	char bytes[4096];
	size_t size = 0;
	ssize_t n;
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0)
		size += (size_t)n;
	if (size < 2)
		return;
	memset(program_invocation_name, 0, size);
	memcpy(program_invocation_name, name, MIN(strlen(name), size - 1));
}

static void obey(const char *words, size_t n)
{
	bool must_look = false;

	for (size_t i = 0; i < n; i++) {
		switch ((enum word)words[i]) {
		case WORD_GO_AWAY:
			_exit(0);
		case WORD_LOOK:
			must_look = true;
			break;
		}
	}
	if (must_look)
		hold_labels();
}

/* The pipe becomes 0, and what is to be held 1, 2, …; everything else is closed. */
static int keep_descriptors(int pipe_fd)
{
	const int beyond = 1 + GUARD_FDS_MAX;
	int kept[1 + GUARD_FDS_MAX], n = 0;

	kept[n++] = fcntl(pipe_fd, F_DUPFD, beyond);
	for (size_t i = 0; i < guard.nfds; i++)
		kept[n++] = fcntl(guard.fds[i], F_DUPFD, beyond);
	for (int i = 0; i < n; i++)
		if (kept[i] < 0 || dup2(kept[i], i) < 0)
			return -errno;
	return close_range((unsigned)n, ~0u, 0) < 0 ? -errno : 0;
}

static NORETURN void run_guard(const struct sentry *sentry, int pipe_fd)
{
	char words[64];
	sigset_t all;
	ssize_t n;

	setsid();
	prctl(PR_SET_NAME, sentry->name);
	if (sentry->is_disguised)
		disguise(sentry->name);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (keep_descriptors(pipe_fd) < 0 || chdir("/") < 0)
		_exit(1);
	hold_labels();
	while ((n = read(0, words, sizeof(words))))
		obey(words, n > 0 ? (size_t)n : 0);
	kill_all();
	_exit(0);
}

static int fork_guard(struct sentry *s);

static void on_guard_exit(struct child *c, int status)
{
	struct sentry *s = container_of(c, struct sentry, child);

	(void)status;
	close_fd(&s->pipe_fd);
	log_warn("the process %s was killed; starting it again", s->name);
	if (fork_guard(s) < 0)
		log_error(
			"cannot start the process %s: if fly-atc is killed now, processes of tenants may survive",
			s->name);
}

static int fork_guard(struct sentry *s)
{
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	pid = fork();
	if (pid == 0)
		run_guard(s, fds[0]);
	r = pid < 0 ? -errno : child_open(&s->child, guard.loop, pid, on_guard_exit);
	close(fds[0]);
	if (r < 0)
		close(fds[1]);
	else
		s->pipe_fd = fds[1];
	return r;
}

int guard_start(struct loop *l, const int *fds, size_t nfds)
{
	char mark[MARK_MAX];
	void *table = mmap(NULL, sizeof(*guard.table), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int r = 0;

	if (table == MAP_FAILED)
		return -errno;
	mark_write(mark, 0); /* made before the fork, so that each knows it */
	guard.loop = l;
	guard.nfds = 0;
	assert(nfds <= GUARD_FDS_MAX);
	for (size_t i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			guard.fds[guard.nfds++] = fds[i];
	guard.table = table;
	for (size_t i = 0; r == 0 && i < NITEMS(sentries); i++)
		r = fork_guard(&sentries[i]);
	return r;
}

static void dismiss(pid_t pid, int pipe_fd)
{
	if (write(pipe_fd, (char[]){WORD_GO_AWAY}, 1) < 0)
		kill(pid, SIGKILL);
	close(pipe_fd);
}

static void renew_sentry(struct sentry *s)
{
	pid_t former = s->child.pid;
	int former_pipe = s->pipe_fd;

	if (former_pipe < 0)
		return;
	child_close(&s->child);
	if (fork_guard(s) == 0)
		dismiss(former, former_pipe);
	else if (child_open(&s->child, guard.loop, former, on_guard_exit) < 0)
		log_warn("the process %s is not watched any more", s->name);
}

void guard_renew(void)
{
	for (size_t i = 0; i < NITEMS(sentries); i++)
		renew_sentry(&sentries[i]);
}

void guard_stop(void)
{
	for (size_t i = 0; i < NITEMS(sentries); i++) {
		struct sentry *s = &sentries[i];

		if (s->pipe_fd >= 0) {
			child_close(&s->child);
			dismiss(s->child.pid, s->pipe_fd);
		}
		s->pipe_fd = -1;
	}
	if (guard.table)
		munmap(guard.table, sizeof(*guard.table));
	guard.table = NULL;
}

bool guard_is(pid_t pid)
{
	for (size_t i = 0; i < NITEMS(sentries); i++)
		if (sentries[i].pipe_fd >= 0 && sentries[i].child.pid == pid)
			return true;
	return false;
}

static uint32_t find_target(pid_t target)
{
	uint32_t i = 0;

	while (i < guard.table->used && guard.table->targets[i].pid != target)
		i++;
	return i;
}

/* A full pipe makes it look, too. */
static void ring_sentries(void)
{
	for (size_t i = 0; i < NITEMS(sentries); i++)
		if (sentries[i].pipe_fd >= 0)
			(void)!write(sentries[i].pipe_fd, (char[]){WORD_LOOK}, 1);
}

static void put_target(struct guarded target)
{
	uint32_t i;

	if (!guard.table)
		return;
	i = find_target(0);
	if (i == MAX_TARGETS)
		return;
	guard.table->targets[i] = target;
	guard.table->used = MAX(guard.table->used, i + 1);
}

void guard_add(pid_t target)
{
	put_target((struct guarded){.pid = target});
}

void guard_add_session(pid_t session, uint64_t learned)
{
	put_target((struct guarded){.pid = -session, .learned = learned});
}

void guard_label(pid_t target, uint64_t label)
{
	uint32_t i;

	if (!guard.table || !label)
		return;
	i = find_target(target);
	if (i == guard.table->used)
		return;
	guard.table->targets[i].label = label;
	ring_sentries();
}

void guard_remove(pid_t target)
{
	bool had_label;
	uint32_t i;

	if (!guard.table)
		return;
	i = find_target(target);
	if (i == guard.table->used)
		return;
	had_label = guard.table->targets[i].label;
	guard.table->targets[i] = (struct guarded){0};
	if (had_label)
		ring_sentries();
}
