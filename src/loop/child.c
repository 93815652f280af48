/* child.c - watches a pidfd, and reaps the child once. */
/* SPDX-License-Identifier: MIT */
#include "loop/child.h"

#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* As if by exit(255): another part of the program has reaped it. */
#define UNKNOWN_STATUS (255 << 8)

static void on_ended(struct watch *w, unsigned events)
{
	struct child *c = container_of(w, struct child, watch);
	int status = UNKNOWN_STATUS;
	pid_t pid;

	(void)events;
	assert(c->pid > 0 && c->on_exit);
	if (c->before_reap)
		c->before_reap(c);
	pid = waitpid(c->pid, &status, WNOHANG);
	if (pid != c->pid && !(pid < 0 && errno == ECHILD))
		return;
	child_close(c);
	c->on_exit(c, status);
}

int child_open(struct child *c, struct loop *l, pid_t pid, child_fn *on_exit)
{
	int fd = pidfd_open(pid, 0), r;

	assert(pid > 0 && on_exit);
	if (fd < 0)
		return -errno;
	*c = (struct child){.on_exit = on_exit, .pid = pid};
	r = watch_open_read(&c->watch, l, fd, on_ended);
	if (r < 0)
		close(fd);
	return r;
}

void child_close(struct child *c)
{
	int fd = c->watch.fd;

	if (!c->watch.loop || fd < 0)
		return;
	watch_close(&c->watch);
	close(fd);
}

int child_signal(const struct child *c, int signo)
{
	assert(signo >= 0);
	if (c->watch.fd < 0)
		return -ESRCH;
	return pidfd_send_signal(c->watch.fd, signo, NULL, 0) < 0 ? -errno : 0;
}
