/* guard.h - tiny processes that outlive us by a moment, to end whatever we had started.
 *
 * The kernel ends the direct children of a process that was killed (PR_SET_PDEATHSIG), but not
 * their children.  A guard holds a pipe: when it reads the end of it, we are gone.  It then kills
 * the process groups in a table shared with us, and every process that carries our mark in its
 * environment, or a label of a tenant.  There are two, with different names, and either is enough:
 * one is left when we and the other are killed in the same moment. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

#define GUARD_FDS_MAX 4u

/* Starts them; one that is killed is started again.  They hold these descriptors (not those that
 * are negative) until they have done their work, so that a lock is held for as long as something of
 * ours may live.  0 or -errno.  Call it early: they keep the memory of that moment. */
int guard_start(struct loop *l, const int *fds, size_t nfds) MUST_USE;
/* Replaces them by new ones that share our memory as it is now, after much of it has changed. */
void guard_renew(void);
/* Tells them that all is well; nothing is killed. */
void guard_stop(void);
