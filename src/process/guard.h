/* guard.h - a tiny process that outlives us by a moment, to end whatever we had started.
 *
 * The kernel ends the direct children of a process that was killed (PR_SET_PDEATHSIG), but not
 * their children.  The guard holds a pipe: when it reads the end of it, we are gone.  It then kills
 * the process groups in a table shared with us, and every process that carries our mark in its
 * environment, or a label of a tenant. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

/* Starts it; it is started again when somebody kills it.  0 or -errno.  Call it early: it keeps the
 * memory of that moment. */
int guard_start(struct loop *l) MUST_USE;
/* Replaces it by one that shares our memory of now, after much of it has changed. */
void guard_renew(void);
/* Tells it that all is well; nothing is killed. */
void guard_stop(void);
