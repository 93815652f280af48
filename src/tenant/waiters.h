/* waiters.h - operators who asked for a start, stop or restart, and wait for its end. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"

struct tenant;

enum waiter_kind { WAIT_RUNNING, WAIT_STOPPED, WAIT_RESTARTED };

/* done is called once, from the end of a turn. */
void waiters_add(struct tenant *t, enum waiter_kind kind, control_done_fn *done, void *arg);
/* The state has changed: those that waited for it are told, and those that wait in vain. */
void waiters_check(struct tenant *t);
/* The tenant goes away: all are told -ECANCELED with this reason. */
void waiters_cancel(struct tenant *t, const char *reason);
/* Tells an operator who does not have to wait. */
void waiters_answer(struct loop *l, control_done_fn *done, void *arg, int err, const char *reason);
