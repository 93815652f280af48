/* launch.c - fork and exec: the steps of a new child, and the report of the one that failed. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "process/process_int.h"

#define FIRST_FD 3

/* What a child that could not start writes into the pipe; execve closes it without a word. */
struct failure {
	uint32_t step;
	int error;
};

static pid_t parent_pid;

static int reset_signals(struct launch *l)
{
	sigset_t none;

	(void)l;
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int leave_session(struct launch *l)
{
	if (!l->spec->inherits_group && setsid() < 0)
		return -errno;
	return 0;
}

static int mount_directories(struct launch *l)
{
	return l->spec->nmounts ? namespace_enter(l->spec->mounts, l->spec->nmounts) : 0;
}

static int change_directory(struct launch *l)
{
	return l->spec->cwd && chdir(l->spec->cwd) < 0 ? -errno : 0;
}

static int connect_output(struct launch *l)
{
	int null_fd;

	if (l->spec->inherits_output)
		return 0;
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
		dup2(l->outputs[0], STDOUT_FILENO) < 0 || dup2(l->outputs[1], STDERR_FILENO) < 0)
		return -errno;
	return 0;
}

/* First away from the places that the others will take, then to their own. */
static int place_descriptors(struct launch *l)
{
	int n = (int)l->spec->nfds, above[128];

	if (n > (int)NITEMS(above))
		return -E2BIG;
	for (int i = 0; i < n; i++) {
		above[i] = fcntl(l->spec->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + n);
		if (above[i] < 0)
			return -errno;
	}
	for (int i = 0; i < n; i++)
		if (dup2(above[i], FIRST_FD + i) < 0)
			return -errno;
	return close_range((unsigned)(FIRST_FD + n), ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

static int set_limits(struct launch *l)
{
	struct rlimit limit;

	if (!l->max_open_files)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = MIN((rlim_t)l->max_open_files, limit.rlim_max);
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int change_user(struct launch *l)
{
	const struct process_user *user = l->spec->user;

	if (!user)
		return 0;
	if (geteuid() == 0 &&
		(setgroups(1, &user->gid) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
			setresuid(user->uid, user->uid, user->uid) < 0))
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* After change_user, which clears it. */
static int die_with_parent(struct launch *l)
{
	(void)l;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == parent_pid ? 0 : -ESRCH;
}

static int execute(struct launch *l)
{
	int error = ENOENT;

	if (l->listen_pid)
		l->listen_pid[number_write(l->listen_pid, (uint64_t)getpid())] = '\0';
	for (char **path = l->paths; *path; path++) {
		execve(*path, l->spec->argv, l->env);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return -errno;
		if (errno == EACCES)
			error = EACCES;
	}
	return -error;
}

static const struct step {
	const char *name;
	int (*run)(struct launch *l);
} steps[] = {
	{"signals", reset_signals},
	{"session", leave_session},
	{"mount", mount_directories},
	{"chdir", change_directory},
	{"output", connect_output},
	{"descriptors", place_descriptors},
	{"limits", set_limits},
	{"user", change_user},
	{"parent", die_with_parent},
	{"exec", execute},
};

static NORETURN void run_child(struct launch *l, int report_fd)
{
	struct failure failure = {0};
	int fd = fcntl(report_fd, F_DUPFD_CLOEXEC, FIRST_FD + (int)l->spec->nfds);

	for (uint32_t i = 0; i < NITEMS(steps) && !failure.error; i++)
		failure = (struct failure){i, -steps[i].run(l)};
	if (write(fd, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

/* Waits until execve has closed the pipe, or for the failure. */
static int read_report(int fd, pid_t pid, const char **ret_step)
{
	struct failure failure;
	ssize_t n;

	do
		n = read(fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(failure))
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*ret_step = steps[failure.step].name;
	return -failure.error;
}

int launch_run(struct launch *l, pid_t *ret_pid, const char **ret_step)
{
	int report[2], r;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0) {
		*ret_step = "pipe";
		return -errno;
	}
	parent_pid = getpid();
	pid = fork();
	if (pid == 0)
		run_child(l, report[1]);
	close(report[1]);
	if (pid < 0) {
		*ret_step = "fork";
		r = -errno;
	} else {
		guard_add(l->spec->inherits_group ? pid : -pid);
		r = read_report(report[0], pid, ret_step);
		if (r < 0)
			guard_remove(l->spec->inherits_group ? pid : -pid);
		else
			*ret_pid = pid;
	}
	close(report[0]);
	return r;
}
