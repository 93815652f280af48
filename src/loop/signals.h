/* signals.h - signals as events of a loop (signalfd). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/signalfd.h>

#include "loop/loop.h"

typedef void signals_fn(void *arg, const struct signalfd_siginfo *info);

struct signals {
	struct watch watch;
	signals_fn *on_signal;
	void *arg;
};

/* Blocks the listed signals (0-ended) in this thread, and so in those it will make, and delivers
 * them to on_signal.  0 or -errno. */
int signals_open(struct signals *s, struct loop *l, const int *numbers, signals_fn *on_signal,
	void *arg) MUST_USE;
void signals_close(struct signals *s);
