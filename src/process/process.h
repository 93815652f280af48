/* process.h - a child process with a group of its own, its output line by line, and its end.
 *
 * Every child of this program is started here: others are taken for orphans that were handed to us,
 * and are reaped. Nothing that is started here outlives this program: see guard.h. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"
#include "loop/loop.h"

struct process;

/* Lines are cut at this length and say so; a last line without an end counts, too. */
#define PROCESS_LINE_MAX 8192u

/* How many descriptors a child can be given: enough for a proxy with the most threads. */
#define PROCESS_FDS_MAX 256u

enum process_stream { PROCESS_STDOUT, PROCESS_STDERR };
typedef void process_line_fn(void *arg, enum process_stream stream, str line, bool is_cut);
/* status as of waitpid(2).  Called once, after the last line, never from inside process_start; the
 * process is freed after it returns.  What is left of the group has been killed, and so have
 * processes that left the group. */
typedef void process_exit_fn(void *arg, int status);

/* A directory of the application that is `source` inside the child's own mount namespace. */
struct process_mount {
	const char *source; /* absolute, exists; NULL: `target` is an empty directory there */
	const char *target; /* absolute, exists (without a source it need not) */
};

/* The user that the child becomes; it has no other groups then, and no_new_privs. */
struct process_user {
	uid_t uid;
	gid_t gid;
};

struct process_spec {
	const char *name;    /* for the log: "tenant bellevue/2025/winter" */
	const char *program; /* the file to execute; NULL: argv[0], looked up in the PATH of env */
	char *const *argv;   /* NULL-ended */
	char *const *env;    /* NULL-ended, complete; with LISTEN_FDS, LISTEN_PID is added */
	const char *cwd;     /* NULL: ours */
	const int *fds;	     /* become 3, 4, … in the child; everything else is closed */
	size_t nfds;
	const struct process_mount *mounts;
	size_t nmounts;
	const struct process_user *user; /* NULL: ours */
	bool inherits_output; /* stdin, stdout and stderr are ours; on_line is not called */
	bool inherits_group;  /* stays in our process group (a single tenant on a terminal) */
	bool is_walled;	      /* can reach no process but its own descendants, where the kernel has
				 Landlock: wall.c */
	uint64_t max_open_files; /* 0: the limit that we were started with */
	process_line_fn *on_line;
	process_exit_fn *on_exit;
	void *arg;
};

/* "exited with status 7", "was killed by signal 9 (KILL)": status as of waitpid(2). */
void process_describe_exit(int status, char *out, size_t size);

/* Starts it; execve has happened when this returns 0.  Strings of spec are not needed afterwards.
 * 0, or -errno of the step that failed (ret_step names it: "exec", "chdir", "mount", …). */
int process_start(struct loop *l, const struct process_spec *spec, struct process **ret,
	const char **ret_step) MUST_USE;
pid_t process_pid(const struct process *p);
/* To the group (to the process alone where it inherits ours).  0 or -errno. */
int process_signal(struct process *p, int signo);
/* Remembers which sessions its descendants have opened: one that leaves everything else by which we
 * know it is found by its session then, even by the guard.  process_signal does so too. */
void process_learn(struct process *p);
/* Mount namespaces can be made here (tried once). */
bool process_can_mount(void);
/* A walled process of ours, or a descendant of one; or one that can no longer be looked at. */
bool process_is_tenants(pid_t pid);

/* Lets this process open as many files as it may; children get the former limit. */
void process_raise_open_files(void);
/* Orphans of our children become ours from now on. */
void process_adopt_orphans(void);
/* Reaps the orphans that have ended.  Call it on SIGCHLD. */
void process_reap_orphans(void);
