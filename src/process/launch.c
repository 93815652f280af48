/* launch.c - the steps from a copy of us to another program, and which of them failed.
 *
 * A child shares our memory until execve, as that of vfork does: a copy of the page tables would
 * cost milliseconds where there are many tenants.  We stand still meanwhile, so the steps may write
 * to our memory, but must not allocate, nor use what glibc keeps about threads.  A child that
 * becomes another user gets a copy: that user's other processes might otherwise reach into our
 * memory. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "process/process_int.h"

#define FIRST_FD   3
#define STACK_SIZE 65536

/* In memory that a copy shares, too. */
struct failure {
	uint32_t step;
	int error; /* 0: there is none */
};

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
	if (!l->spec->nmounts || l->entry)
		return 0;
	return namespace_mount(&l->who, l->spec->mounts, l->spec->nmounts);
}

static int change_directory(struct launch *l)
{
	return l->spec->cwd && !l->entry && chdir(l->spec->cwd) < 0 ? -errno : 0;
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

/* First out of the way of the numbers that the others will get, then to their own. */
static int place_descriptors(struct launch *l)
{
	int given = (int)l->spec->nfds, n = given + (l->entry ? 1 : 0), above[PROCESS_FDS_MAX + 1];

	if (l->spec->nfds > PROCESS_FDS_MAX)
		return -E2BIG;
	for (int i = 0; i < n; i++) {
		above[i] = fcntl(
			i < given ? l->spec->fds[i] : l->report_fd, F_DUPFD_CLOEXEC, FIRST_FD + n);
		if (above[i] < 0)
			return -errno;
	}
	for (int i = 0; i < n; i++)
		if (dup2(above[i], FIRST_FD + i) < 0)
			return -errno;
	return close_range((unsigned)(FIRST_FD + n), ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

static int set_rlimits(struct launch *l)
{
	struct rlimit limit;

	if (!l->max_open_files)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = MIN((rlim_t)l->max_open_files, limit.rlim_max);
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

/* glibc's own functions would change the parent's other threads, too. */
static int change_user(struct launch *l)
{
	const struct process_user *user = l->spec->user;

	if (!user)
		return 0;
	if (geteuid() == 0 && (syscall(SYS_setgroups, 1, &user->gid) < 0 ||
				      syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
				      syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0))
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* After change_user: the new user must be able to raise it. */
static int raise_wall(struct launch *l)
{
	return l->spec->is_walled && !l->entry ? wall_raise(l->spec->nmounts > 0) : 0;
}

/* After change_user, which clears it. */
static int die_with_parent(struct launch *l)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == l->parent ? 0 : -ESRCH;
}

static int execute(struct launch *l)
{
	int error = ENOENT;

	if (l->listen_pid)
		l->listen_pid[number_write(l->listen_pid, (uint64_t)getpid())] = '\0';
	if (l->entry)
		return execve("/proc/self/exe", l->entry, l->env) < 0 ? -errno : 0;
	for (char **path = l->paths; *path; path++) {
		execve(*path, l->spec->argv, l->env);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return -errno;
		if (errno == EACCES)
			error = EACCES;
	}
	return -error;
}

static const struct launch_step {
	const char *name;
	int (*run)(struct launch *l);
} steps[] = {
	{"signals", reset_signals},
	{"session", leave_session},
	{"mount", mount_directories},
	{"chdir", change_directory},
	{"output", connect_output},
	{"descriptors", place_descriptors},
	{"limits", set_rlimits},
	{"user", change_user},
	{"wall", raise_wall},
	{"parent", die_with_parent},
	{"exec", execute},
};

/* Its result is the exit status, which is not used: the failure says more. */
static int run_child(void *launch)
{
	struct launch *l = launch;

	for (uint32_t i = 0; i < NITEMS(steps) && !l->failure->error; i++)
		*l->failure = (struct failure){i, -steps[i].run(l)};
	return 127;
}

/* ThreadSanitizer records calls and descriptors of the process in its memory: a child that shares
 * it and never returns leaves its own there. */
#ifdef __SANITIZE_THREAD__
#define HAS_SHADOW 1
#else
#define HAS_SHADOW 0
#endif

/* None of our handlers may run in the child, which removes them as its first step. */
static pid_t clone_child(struct launch *l)
{
	_Alignas(16) char stack[STACK_SIZE];
	int flags = CLONE_VFORK | SIGCHLD, error;
	sigset_t all, before;
	pid_t pid;

	if (!l->spec->user && !HAS_SHADOW)
		flags |= CLONE_VM;
	if (l->spec->nmounts && !l->entry)
		flags |= namespace_flags();
	if (l->is_labelled && !l->entry)
		flags |= LABEL_FLAG;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = clone(run_child, stack + STACK_SIZE, flags, l);
	error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -error : pid;
}

static int clone_and_wait(struct launch *l, pid_t *ret_pid, const char **ret_step)
{
	pid_t pid = clone_child(l);

	if (pid < 0) {
		*ret_step = l->spec->nmounts ? "mount" : "fork";
		return pid;
	}
	if (l->failure->error) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		*ret_step = steps[l->failure->step].name;
		return -l->failure->error;
	}
	guard_add(l->spec->inherits_group ? pid : -pid);
	*ret_pid = pid;
	return 0;
}

/* The pipe ends without a report: the program runs. */
static int await_entry(int report_fd, pid_t pid, const char **ret_step)
{
	struct enter_report report;
	ssize_t n;

	do
		n = read(report_fd, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(report))
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	guard_remove(-pid);
	*ret_step = enter_step_name(report.step);
	return -report.error;
}

static int launch_by_entering(struct launch *l, pid_t *ret_pid, const char **ret_step)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	l->entry = enter_words(l, FIRST_FD + (int)l->spec->nfds);
	l->report_fd = fds[1];
	r = clone_and_wait(l, ret_pid, ret_step);
	close(fds[1]);
	if (r == 0)
		r = await_entry(fds[0], *ret_pid, ret_step);
	close(fds[0]);
	strings_free(l->entry);
	return r;
}

int launch_run(struct launch *l, pid_t *ret_pid, const char **ret_step)
{
	int r;

	*ret_step = "memory";
	l->failure = mmap(NULL, sizeof(*l->failure), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l->failure == MAP_FAILED)
		return -errno;
	l->parent = getpid();
	l->who = (struct process_user){geteuid(), getegid()};
	l->is_labelled = l->spec->is_walled && !l->spec->user && !l->spec->inherits_group &&
			 (label_is_possible() || (l->spec->nmounts && l->who.uid != 0));
	if (l->spec->nmounts && l->who.uid != 0)
		r = launch_by_entering(l, ret_pid, ret_step);
	else
		r = clone_and_wait(l, ret_pid, ret_step);
	munmap(l->failure, sizeof(*l->failure));
	return r;
}
