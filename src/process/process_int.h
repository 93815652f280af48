/* process_int.h - what the files of process/ share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "process/process.h"

/* The first variable of every child: by it those are found who left their process group.  Never
 * changes. */
#define MARK_MAX 64
void mark_write(char out[MARK_MAX], uint64_t serial);
/* Calls found(arg, serial) for each process that carries our mark, and sends SIGKILL where it says
 * true.  Returns the number of those.  Safe after fork: uses system calls only. */
typedef bool mark_found_fn(void *arg, uint64_t serial);
size_t mark_kill(mark_found_fn *found, void *arg);

/* What the guard kills when we are gone: as the first argument of kill(2), so -pid for a group. */
void guard_add(pid_t target);
void guard_remove(pid_t target);
/* The guard's own pid, 0 without one. */
pid_t guard_pid(void);

/* Flags of clone(2) or unshare(2) for a mount namespace. */
int namespace_flags(void);
/* Makes these mounts in the calling process, which was given a namespace with those flags; `who` it
 * was before.  0 or -errno.  Safe after fork. */
int namespace_mount(
	const struct process_user *who, const struct process_mount *mounts, size_t nmounts);

/* A start, prepared before the fork so that the child need not allocate. */
struct failure;
struct launch {
	const struct process_spec *spec;
	char **paths;	  /* to try for the program, NULL-ended */
	char **env;	  /* the mark, LISTEN_PID where needed, and spec->env */
	char *listen_pid; /* where the pid goes behind "LISTEN_PID="; NULL if there is none */
	int outputs[2];	  /* the child's ends, or -1 */
	uint64_t max_open_files; /* 0: unchanged */
	/* launch.c's own: */
	pid_t parent;
	struct process_user who;
	struct failure *failure;
};
/* Returns when execve has happened; both as of process_start. */
int launch_run(struct launch *launch, pid_t *ret_pid, const char **ret_step);
