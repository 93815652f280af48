/* guard.c - nothing of ours survives us. */
/* SPDX-License-Identifier: MIT */
#include "process/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/child.h"
#include "process/process_int.h"

/* Pages of the table come into being when they are used. */
#define MAX_TARGETS 131072u

static struct {
	struct loop *loop;
	struct child child;
	int pipe_fd; /* our end; -1 without a guard */
	struct table {
		uint32_t used; /* targets beyond are empty */
		pid_t targets[MAX_TARGETS];
	} * table;
} guard = {.pipe_fd = -1};

static bool is_any(void *arg, uint64_t serial)
{
	(void)arg;
	(void)serial;
	return true;
}

static void kill_all(void)
{
	static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	for (uint32_t i = 0; i < guard.table->used; i++)
		if (guard.table->targets[i])
			kill(guard.table->targets[i], SIGKILL);
	/* Who forks while we look is found in the next round. */
	for (int round = 0; round < 50 && mark_kill(is_any, NULL); round++)
		nanosleep(&pause, NULL);
}

static NORETURN void run_guard(int pipe_fd)
{
	sigset_t all;
	char byte;
	ssize_t n;

	setsid();
	prctl(PR_SET_NAME, "fly-atc-guard");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (dup2(pipe_fd, 0) < 0 || close_range(1, ~0u, 0) < 0 || chdir("/") < 0)
		_exit(1);
	do
		n = read(0, &byte, 1);
	while (n < 0);
	if (n == 0)
		kill_all();
	_exit(0);
}

static int fork_guard(void);

static void on_guard_exit(struct child *c, int status)
{
	(void)c;
	(void)status;
	close(guard.pipe_fd);
	guard.pipe_fd = -1;
	log_warn("the guard process was killed; starting it again");
	if (fork_guard() < 0)
		log_error(
			"cannot start the guard process: if fly-atc is killed now, processes of tenants may survive");
}

static int fork_guard(void)
{
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		run_guard(fds[0]);
	r = pid < 0 ? -errno : child_open(&guard.child, guard.loop, pid, on_guard_exit);
	close(fds[0]);
	if (r < 0)
		close(fds[1]);
	else
		guard.pipe_fd = fds[1];
	return r;
}

int guard_start(struct loop *l)
{
	char mark[MARK_MAX];
	void *table = mmap(NULL, sizeof(*guard.table), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (table == MAP_FAILED)
		return -errno;
	mark_write(mark, 0); /* made before the fork, so that both know it */
	guard.loop = l;
	guard.table = table;
	return fork_guard();
}

static void dismiss(pid_t pid, int pipe_fd)
{
	if (write(pipe_fd, "", 1) < 0)
		kill(pid, SIGKILL);
	close(pipe_fd);
}

void guard_renew(void)
{
	pid_t former = guard_pid();
	int former_pipe = guard.pipe_fd;

	if (!former)
		return;
	child_close(&guard.child);
	if (fork_guard() == 0)
		dismiss(former, former_pipe);
	else if (child_open(&guard.child, guard.loop, former, on_guard_exit) < 0)
		log_warn("the guard process is not watched any more");
}

void guard_stop(void)
{
	if (guard.pipe_fd >= 0) {
		child_close(&guard.child);
		dismiss(guard.child.pid, guard.pipe_fd);
	}
	guard.pipe_fd = -1;
	if (guard.table)
		munmap(guard.table, sizeof(*guard.table));
	guard.table = NULL;
}

pid_t guard_pid(void)
{
	return guard.pipe_fd >= 0 ? guard.child.pid : 0;
}

static uint32_t find(pid_t target)
{
	uint32_t i = 0;

	while (i < guard.table->used && guard.table->targets[i] != target)
		i++;
	return i;
}

void guard_add(pid_t target)
{
	uint32_t i;

	if (!guard.table)
		return;
	i = find(0);
	if (i == MAX_TARGETS)
		return;
	guard.table->targets[i] = target;
	guard.table->used = MAX(guard.table->used, i + 1);
}

void guard_remove(pid_t target)
{
	uint32_t i;

	if (!guard.table)
		return;
	i = find(target);
	if (i < guard.table->used)
		guard.table->targets[i] = 0;
}
