/* tenant_int.h - what the files of tenant/ share: all tenants, one of them, and its run.
 *
 * A file calls only those further down: tenants and what operators and the configuration ask for,
 * the effects, the steps of a start and an end, the event, the record.  What has to go up is an
 * event, or a function that was handed down. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/magic.h"
#include "life/lifecycle.h"
#include "life/tally.h"
#include "tenant/admission.h"
#include "tenant/busy.h"
#include "tenant/custody.h"
#include "tenant/elsewhere.h"
#include "tenant/environment.h"
#include "tenant/health.h"
#include "tenant/look.h"
#include "tenant/new_files.h"
#include "tenant/output.h"
#include "tenant/ports.h"
#include "tenant/probe.h"
#include "tenant/replace.h"
#include "tenant/roll.h"
#include "tenant/tenant.h"

struct work;

typedef void tenant_fn(struct tenant *t);

/* What is done when a tenant has an event: effects.c. */
struct effects {
	tenant_fn *const *of; /* by enum lifecycle_effect */
	tenant_fn *after;     /* each step */
};
extern const struct effects tenant_effects;

enum { TENANTS_MAGIC = MAGIC('t', 'e', 'n', 's') };

struct tenants {
	uint32_t magic;
	struct loop *loop;
	struct config *conf; /* in force; borrowed, like what follows, down to the effects */
	struct scoreboard *board;
	struct backup *backup;
	char *const *environ;
	const char *secret;
	const struct process_user *proxy;
	unsigned own_port;
	const struct tenant_host *host;
	void *host_arg;
	const struct effects *effects;
	struct work *looking; /* looks at the open files and sockets of tenants */
	struct admission admission;
	struct new_files_watcher new_files;
	struct replacing replacing;
	struct rolling rolling;
	uint32_t *index_of_slot; /* slot -> conf->tenants, UINT32_MAX for none */
	struct tenant **items;	 /* slot -> what was woken once, or NULL */
	uint32_t nslots;	 /* size of both */
	struct list awake;	 /* tenants that have a run */
	struct list untold;	 /* tenants whose state the proxy is told at the end of the turn */
	bool is_ending;		 /* told to end */
	bool is_impatient;	 /* told twice */
};

/* Called with what went wrong, or NULL, when its process has ended. */
typedef void hook_fn(struct tenant *t, const char *fault);

struct helper {
	bool is_running;  /* it is not the application */
	hook_fn *done;	  /* of a hook */
	bool is_late;	  /* it is being killed for that */
	bool is_stop_due; /* the application was started: a stop_hook is to follow */
};

enum { TENANT_RUN_MAGIC = MAGIC('t', 'r', 'u', 'n') };

/* What a tenant needs while it is awake; freed when it rests. */
struct tenant_run {
	uint32_t magic;
	struct tenant *tenant;
	struct config *config; /* one reference; owner of conf */
	/* What it was started with, or an equal one from a newer configuration. */
	const struct tenant_conf *conf;
	struct process *process; /* the application, or the prepare command or a hook: */
	struct helper helper;	 /* which of them */
	struct probe *probe;
	struct probe *answered; /* one of them, whose answer is still being read; or NULL */
	struct health health;
	struct timer timer;	    /* for the present state: start, idle, drain, stop */
	msec until;		    /* for the drain; then for our connections to it */
	uint64_t phase_began;	    /* usec */
	struct run_port port;	    /* where it was told to listen */
	struct elsewhere elsewhere; /* where it does listen */
	unsigned backups;	    /* calls of backup, and looks, that have not returned yet */
	tenant_fn *when_back;	    /* called as soon as there are none, or NULL */
	bool is_unobserved;  /* its databases may have been written to, and not been registered
			      since */
	bool is_cancelled;   /* the step under way ends as BROKEN, whatever its result */
	bool is_hung;	     /* it is killed for not answering */
	bool is_told_to_end; /* a single one, by a program that wants us to end */
	struct mark mark;    /* why it is to be replaced */
	struct {
		unsigned missing; /* databases that were not there when they were registered */
		struct new_files *watch; /* waits for them while it runs, or NULL */
	} files;
	struct looking looking;
	struct holds holds; /* busy.h */
};

/* What is reported of a tenant that is not well; each is NULL or malloc'd. */
struct faults {
	char *reason;	     /* of the last failure, for operators */
	char *public_reason; /* what strangers are told, where failed_in does not cover it */
	char *error;	     /* the lines of its output that say why, as they were then */
	char *last_crash;    /* the reason of the last crash, even when it runs again */
	char *warning;	     /* what the last look found and tolerates */
	enum tenant_state failed_in;
};

/* Events that came from inside a step. */
struct waiting_events {
	enum lifecycle_event items[4];
	unsigned count;
	bool is_stepping; /* further ones wait */
};

enum { TENANT_MAGIC = MAGIC('t', 'e', 'n', 'a') };

/* What is remembered of a tenant that was woken once. */
struct tenant {
	uint32_t magic;
	struct tenants *all;
	uint32_t slot;
	struct lifecycle life;
	struct waiting_events events;
	struct tally tally;
	struct tenant_run *run;
	struct output output;	   /* the last lines */
	struct timer output_timer; /* reports what was dropped */
	struct list waiters;	   /* operators who wait for a state */
	struct {
		struct custody_claim claim; /* on its databases, which another fly-atc has */
		struct list in_queue;	    /* admission */
	} waits;
	struct list in_awake;	  /* tenants.awake, while it has a run */
	struct list in_untold;	  /* tenants.untold */
	struct timer retry_timer; /* for one that is to run from boot and has failed */
	struct control_wake wake;
	struct faults faults;
	struct replacement replacement;
	unsigned starts, restarts;
	struct {
		bool signal; /* it does not end by stop_signal, and what may help */
		bool gap;    /* what is not backed up of it, for the log */
	} told;
	bool is_removed;    /* no longer in the configuration: goes when it rests */
	bool is_starting;   /* counts for max_starting */
	bool is_awake;	    /* counts for max_running */
	bool releases_port; /* the application could not bind a port that we kept */
};

/* --- record.c --- */

/* Made when needed; NULL for an unused slot. */
struct tenant *tenant_at(struct tenants *all, uint32_t slot);
/* Of the configuration in force; or NULL. */
const struct tenant_conf *tenant_conf_in_force(const struct tenant *t);
/* Whether it lives on this machine, by that. */
bool tenant_is_here(const struct tenant *t);
/* From the run, else from the configuration; may be NULL. */
const struct tenant_conf *tenant_conf(const struct tenant *t);
struct slot *tenant_slot(const struct tenant *t);
/* Where it listens with `listen: unix`. */
void tenant_socket_path(const struct tenant *t, char *out, size_t size);
/* For LOG_LEVEL_HERE: by the configuration in force, whatever its copy was started with. */
int tenant_log_level(const struct tenant *t);
/* False: a single application without backup, with nothing to restore, check or register. */
bool tenant_uses_backup(const struct tenant *t);
/* Remembers why something failed. */
void tenant_blame(struct tenant *t, const char *fmt, ...) PRINTF(2, 3);
/* The same where the reason is not for strangers: they are told `public`, a literal. */
void tenant_blame_privately(struct tenant *t, const char *public, const char *fmt, ...)
	PRINTF(3, 4);
/* It runs, and is about to have crashed: counts that.  False: once too often. */
bool tenant_count_crash(struct tenant *t);
/* What was found wrong but is tolerated; NULL: nothing any more. */
void tenant_warn(struct tenant *t, const char *text);

/* --- event.c --- */

/* Steps through the table; called from inside a step, it does so after that step. */
void tenant_event(struct tenant *t, enum lifecycle_event event);

/* --- announce.c --- */

/* Tells the proxy the state, once more for requests that missed it. */
void announce_state(struct tenant *t);
/* The state has changed: announces it, on the way up at the end of the turn. */
void announce_soon(struct tenant *t);

/* --- run.c --- */

/* Sets t->run. */
void run_new(struct tenant *t);
/* Nothing of it is under way; there may be no run. */
void run_free(struct tenant *t);
/* A call that is counted in run->backups has returned: false if its outcome no longer matters. */
bool run_came_back(struct tenant *t);

/* --- checkup.c: its health check, as a request --- */

/* At the port or socket of the present start. */
struct probe *checkup_begin(struct tenant *t, probe_fn *on_answer) MUST_USE;
/* Elsewhere; the target's request is filled in. */
struct probe *checkup_at(
	struct tenant *t, struct probe_target *target, probe_fn *on_answer) MUST_USE;
/* A probe that has answered reads on; it is forgotten before the tenant is told to end. */
void checkup_keep(struct tenant_run *run, struct probe **take_probe);
void checkup_forget(struct tenant_run *run);

/* --- spawn.c --- */

/* Starts a program of the tenant; config_expand_tenant has made argv.  0 or -errno; the reason has
 * been noted. */
int tenant_spawn(struct tenant *t, const struct str_list *words, const struct tenant_port *port,
	process_exit_fn *on_exit) MUST_USE;

/* The same for a hook. */
int tenant_spawn_hook(
	struct tenant *t, const struct hook_conf *hook, process_exit_fn *on_exit) MUST_USE;

/* --- hooks.c --- */

/* Runs a hook while nothing else of the run does; `done` comes later.  False: it cannot be started,
 * for the reason that has been noted. */
bool tenant_run_hook(struct tenant *t, const struct hook_conf *hook, hook_fn *done) MUST_USE;

/* --- wake.c: effects --- */

void wake_restore(struct tenant *t);
void wake_prepare(struct tenant *t);
void wake_cancel(struct tenant *t);

/* --- start.c, ready.c, serve.c, exit.c --- */

/* Effect. */
void start_application(struct tenant *t);
/* It has been started: EVENT_READY follows, or another. */
void ready_await(struct tenant *t);
/* Effect: it is ready. */
void serve_application(struct tenant *t);
process_exit_fn exit_on_status;

/* --- idle.c --- */

/* Sets the idle timer by the present configuration. */
void idle_rearm(struct tenant *t);
/* Stops it unless a request is under way or it is busy.  True if it does. */
bool idle_stop(struct tenant *t);

/* --- stop.c, detach.c: effects --- */

void stop_watch(struct tenant *t);
void stop_signal(struct tenant *t);
void stop_kill(struct tenant *t);
void stop_settle(struct tenant *t);
void detach_databases(struct tenant *t);

/* --- retire.c --- */

/* A removed tenant rests: its record is freed. */
void tenant_retire(struct tenant *t);
void tenant_free(struct tenant *t);
