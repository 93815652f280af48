/* work.h - jobs that block or take long (files, object store, SQLite, parsing) on threads; the loop
 * hears of their end.
 *
 * A thread takes jobs until there are none left, and ends: idle threads neither exist nor wake up.
 * Jobs are few, and long compared with making a thread. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

struct work;

struct work *work_new(struct loop *l, unsigned max_threads) MUST_USE;
/* run(arg) on a thread; it alone may touch what arg owns until done(arg) is called in the loop,
 * exactly once. */
void work_run(struct work *w, loop_fn *run, loop_fn *done, void *arg);
/* Jobs whose end has not been told yet. */
size_t work_pending(const struct work *w);
/* Asks jobs that look at work_is_stopping to give up. */
void work_stop(struct work *w);
bool work_is_stopping(const struct work *w);
/* Only with nothing pending. */
void work_free(struct work *w);
