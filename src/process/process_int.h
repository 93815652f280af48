/* process_int.h - what the files of process/ share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "process/process.h"

/* The first variable of every child: it identifies those that have left their process group.  Never
 * changes. */
#define MARK_MAX 64
void mark_write(char out[MARK_MAX], uint64_t serial);
/* What /proc says about a process. */
struct stray {
	pid_t pid, parent, session;
	uint64_t started; /* clock ticks since boot: together with pid, it identifies one process
			     forever */
	uint64_t serial;  /* the serial in our mark; 0 without */
	uint64_t label;	  /* see label_of; 0 without */
	bool is_stopped;
};
/* False: there is none, or it is dead already. */
bool stray_read(pid_t pid, struct stray *ret);
/* Calls found for each process but our own, and sends the signal, SIGKILL or SIGSTOP, where it
 * returns true.  Returns the number of those.  Safe after fork: uses only system calls. */
typedef bool stray_found_fn(void *arg, const struct stray *s);
size_t strays_signal(int signo, stray_found_fn *found, void *arg);
/* Now, in the unit of `started`. */
uint64_t ticks_now(void);

/* A label is a UTS namespace of its own: nothing in it differs, but every descendant keeps it,
 * however it was forked and whatever it does to its environment, and only the administrator can
 * leave it. */
#define LABEL_FLAG CLONE_NEWUTS
/* 0 for our own, and where it cannot be seen.  Its number is not reused as long as a process is in
 * it or we hold a descriptor of it. */
uint64_t label_of(pid_t pid);
/* -1 where none can be made. */
int label_open(pid_t pid);
/* We can make them, with the rights that we have (tried once). */
bool label_is_possible(void);

/* What the guard kills when we are gone: as the first argument of kill(2), so -pid for a group. */
void guard_add(pid_t target);
/* Also everything that has this label. */
void guard_label(pid_t target, uint64_t label);
/* A session: processes in it are killed if they were started by `learned`, since its number may be
 * reused later. */
void guard_add_session(pid_t session, uint64_t learned);
void guard_remove(pid_t target);
/* The process is a guard. */
bool guard_is(pid_t pid);

/* Sessions that descendants of `pid` have opened: sets of numbers, each once. */
struct sessions {
	pid_t *items;
	size_t count, cap;
};
/* Adds those that exist now, except `own`.  Returns the index of the first new one. */
size_t descent_sessions(pid_t pid, pid_t own, struct sessions *s);

/* wall.c: raises it around the calling process, which with keeps_mounts can no longer mount or
 * unmount.  0 (also without Landlock) or -errno.  Safe after fork. */
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
	char **paths;		 /* to try for the program, NULL-ended */
	char **env;		 /* the mark, LISTEN_PID where needed, and spec->env */
	char *listen_pid;	 /* where the pid goes after "LISTEN_PID="; NULL if there is none */
	int outputs[2];		 /* the child's ends, or -1 */
	uint64_t max_open_files; /* 0: unchanged */
	bool is_labelled;
	/* launch.c's own: */
	pid_t parent;
	struct process_user who;
	struct failure *failure;
	char **entry;  /* the words of enter.c, or NULL: it is not needed */
	int report_fd; /* where enter.c reports a failure; -1 */
};
/* Returns when execve has happened; both as for process_start. */
int launch_run(struct launch *launch, pid_t *ret_pid, const char **ret_step);

/* enter.c */
enum enter_step { ENTER_WORDS, ENTER_MOUNT, ENTER_CHDIR, ENTER_WALL, ENTER_PARENT, ENTER_EXEC };
struct enter_report {
	uint32_t step;
	int32_t error; /* positive */
};
const char *enter_step_name(uint32_t step);
/* The command line for a start through enter.c; a new list of new strings. */
char **enter_words(const struct launch *l, int report_fd);
