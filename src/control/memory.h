/* memory.h - how much memory processes use with all that they started, from /proc, a little in each
 * turn of the loop. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

struct memory;

struct memory_use {
	uint64_t pss; /* bytes, shared pages divided among their users; 0 if it cannot be read */
	uint64_t rss;
	unsigned processes;
};

typedef void memory_fn(void *arg);

/* Surveys all processes: one that was not asked for itself is counted for the asked pid that leads
 * its process group, or else for its nearest ancestor among those asked; our own process is given
 * only itself.  done exactly once, never from inside, unless memory_free comes first.  Copies
 * pids. */
struct memory *memory_survey(
	struct loop *l, const pid_t *pids, size_t n, memory_fn *done, void *arg) MUST_USE;
/* After done.  False if the pid was not asked for or is gone. */
bool memory_of(const struct memory *m, pid_t pid, struct memory_use *ret);
/* NULL is fine; ends a survey under way. */
void memory_free(struct memory *m);
