/* child.h - the end of a child process as an event of a loop (pidfd). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

struct child;
/* status is that of waitpid(2), or that of exit(255) if it was reaped elsewhere; it has been
 * reaped. */
typedef void child_fn(struct child *c, int status);
typedef void child_ended_fn(struct child *c);

struct child {
	struct watch watch;
	child_ended_fn *before_reap; /* may be set after child_open: it has ended, and its pid still
					belongs to it */
	child_fn *on_exit;
	pid_t pid;
};

/* Watches a child of this process.  on_exit is called exactly once, never from inside this call.  0
 * or -errno. */
int child_open(struct child *c, struct loop *l, pid_t pid, child_fn *on_exit) MUST_USE;
/* Stops watching a child that has not ended: from then on nothing here reaps it. */
void child_close(struct child *c);
/* Sends through the pidfd, so never to another process that got the number.  0 or -errno. */
int child_signal(const struct child *c, int signo);
