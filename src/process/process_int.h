/* process_int.h - what the files of process/ share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "process/process.h"

/* The first variable of every child: by it those are found who left their process group.  Never
 * changes. */
#define MARK_MAX 64
void mark_write(char out[MARK_MAX], uint64_t serial);
/* What /proc says about a process. */
struct stray {
	pid_t pid, parent, session;
	uint64_t started; /* clock ticks since boot: with pid, it is one process for ever */
	uint64_t serial;  /* of our mark; 0 without */
	uint64_t label;	  /* see label_of; 0 without */
	bool is_stopped;
};
/* False: there is none, or it is dead already. */
bool stray_read(pid_t pid, struct stray *ret);
/* Calls found for each process but us, and sends the signal, SIGKILL or SIGSTOP, where it says
 * true. Returns the number of those.  Safe after fork: uses system calls only. */
typedef bool stray_found_fn(void *arg, const struct stray *s);
size_t strays_signal(int signo, stray_found_fn *found, void *arg);
/* Now, as `started` counts. */
uint64_t ticks_now(void);

/* A label is a UTS namespace of its own: nothing in it differs, but every descendant keeps it,
 * however it was forked and whatever it does to its environment, and only the administrator can
 * leave it. */
#define LABEL_FLAG CLONE_NEWUTS
/* 0 for ours, and where it cannot be seen.  Its number is not given to another as long as a process
 * or a descriptor of ours has it. */
uint64_t label_of(pid_t pid);
/* -1 where it cannot be. */
int label_open(pid_t pid);
/* Can be made here by us as we are (tried once). */
bool label_is_possible(void);

/* What the guard kills when we are gone: as the first argument of kill(2), so -pid for a group. */
void guard_add(pid_t target);
/* With it whatever has this label. */
void guard_label(pid_t target, uint64_t label);
/* A session, of which those are killed that had begun by `learned`: its number may be another's
 * later. */
void guard_add_session(pid_t session, uint64_t learned);
void guard_remove(pid_t target);
/* It is a guard. */
bool guard_is(pid_t pid);

/* Sessions that descendants of `pid` have opened: sets of numbers, each once. */
struct sessions {
	pid_t *items;
	size_t count, cap;
};
/* Adds those that there are now, but `own`.  Returns the index of the first new one. */
size_t descent_sessions(pid_t pid, pid_t own, struct sessions *s);

/* wall.c: raises it around the calling process, which then cannot change mounts either if
 * keeps_mounts.  0 (also where there is none) or -errno.  Safe after fork. */
int wall_raise(bool keeps_mounts);

#define NAMESPACE_MOUNTS_MAX 64
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
	bool is_labelled;
	/* launch.c's own: */
	pid_t parent;
	struct process_user who;
	struct failure *failure;
	char **entry;  /* the words of enter.c, or NULL: it is not needed */
	int report_fd; /* where enter.c reports a failure; -1 */
};
/* Returns when execve has happened; both as of process_start. */
int launch_run(struct launch *launch, pid_t *ret_pid, const char **ret_step);

/* enter.c */
enum enter_step { ENTER_WORDS, ENTER_MOUNT, ENTER_CHDIR, ENTER_WALL, ENTER_PARENT, ENTER_EXEC };
struct enter_report {
	uint32_t step;
	int32_t error; /* positive */
};
const char *enter_step_name(uint32_t step);
/* The command line for a start by way of enter.c; a new list of new strings. */
char **enter_words(const struct launch *l, int report_fd);
