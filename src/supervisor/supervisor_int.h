/* supervisor_int.h - what the files of supervisor/ share: the supervisor and its tenants. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/backup.h"
#include "config/config.h"
#include "control/control.h"
#include "link/scoreboard.h"
#include "loop/loop.h"
#include "loop/signals.h"
#include "process/process.h"
#include "supervisor/admission.h"
#include "supervisor/elsewhere.h"
#include "tenant/environment.h"
#include "supervisor/listeners.h"
#include "supervisor/new_files.h"
#include "tenant/output.h"
#include "supervisor/places.h"
#include "tenant/probe.h"
#include "supervisor/replace.h"
#include "supervisor/roll.h"
#include "supervisor/store_watch.h"
#include "supervisor/supervisor.h"
#include "life/lifecycle.h"
#include "life/tally.h"

struct proxy_child;
struct new_files;
struct opening_thread;
struct work;

struct supervisor {
	struct loop *loop;
	struct config *conf; /* in force; one reference */
	const struct config_source *source;
	struct scoreboard board;
	struct listeners listeners;
	struct proxy_child *proxy;
	struct opening_thread *opener;
	struct backup *backup;
	struct store_watch store_watch;
	struct work *looking;	 /* looks at the open files of tenants */
	struct control *control; /* NULL where its socket could not be made (single tenant only) */
	struct admission admission;
	struct new_files_watcher new_files;
	struct signals signals;
	struct work *work;   /* reads configurations, and frees them */
	struct list to_load; /* reloads: the first is being read by a thread */
	struct list reloads; /* in force, and waiting for the proxy */
	struct places places;
	struct replacing replacing;
	struct rolling rolling;
	struct process_user proxy_user;
	char *secret;		 /* master of the tenants' SECRET_KEY_BASE */
	uint32_t *index_of_slot; /* slot -> conf->tenants, UINT32_MAX for none */
	struct tenant **tenants; /* slot -> what was woken once, or NULL */
	struct list awake;	 /* tenants that have a run */
	struct list purges;	 /* of the cache, until the proxy has answered */
	uint64_t purge_serial;
	struct list untold; /* tenants whose state the proxy learns at the end of the turn */
	uint32_t nslots;    /* size of both */
	msec started_at;
	char *address; /* what we listen on, for people */
	char *run_dir, *private_dir,
		*control_path;	 /* of the first configuration: they hold for our life */
	bool has_run_dir;	 /* it could be made and locked */
	bool is_ending;		 /* told to end */
	bool is_impatient;	 /* told twice */
	bool has_terminal;	 /* it was started on one, and ends with it */
	bool has_announced;	 /* sd_notify READY=1 */
	bool is_proxy_gone;	 /* for good */
	bool is_stopping_backup; /* the last thing to end */
	int exit_status;
};

/* What a tenant needs while it is awake; freed when it rests. */
struct tenant_run {
	struct tenant *tenant;
	struct config *config; /* one reference; owner of conf */
	/* What it was started with, or an equal one of a newer configuration. */
	const struct tenant_conf *conf;
	struct process *process; /* the application, or the prepare command: */
	bool is_preparing;
	struct probe *probe;
	struct probe *health;	    /* is asked because requests are not answered, or NULL */
	struct probe *answered;	    /* one of them, whose answer is still being read; or NULL */
	struct timer health_limit;  /* for its answer */
	struct timer timer;	    /* of the present state: start, idle, drain, stop */
	msec drain_until;	    /* in DRAINING */
	msec close_until;	    /* then, until our connections to it are closed */
	uint64_t phase_began;	    /* usec */
	int port_fd;		    /* listening for the application, or keeping its port; -1 */
	int port6_fd;		    /* keeps its port at ::1, or -1 */
	bool may_be_ipv6;	    /* nobody else can be at ::1 with its port */
	unsigned told_port;	    /* where it was told to listen; 0: at a unix socket */
	struct elsewhere elsewhere; /* where it does listen */
	unsigned backups;	    /* calls of backup that have not come back */
	bool must_detach;	    /* as soon as backups is 0 */
	bool is_unobserved;  /* its databases may have been written to, and not registered since */
	bool is_cancelled;   /* the step under way ends as BROKEN, whatever comes of it */
	bool is_hung;	     /* it is killed for not answering */
	bool is_told_to_end; /* a single one, by whoever wants us to end */
	/* Why it is to be replaced (replace.h): */
	bool is_stale;		     /* its configuration changed */
	bool is_outdated;	     /* its code changed, says an operator */
	bool is_hurried;	     /* it is not waited for those who use it */
	msec marked_at;		     /* since then; 0: it is not */
	unsigned missing_files;	     /* databases that were not there when they were registered */
	struct new_files *new_files; /* waits for them while it runs, or NULL */
	struct timer look_timer;     /* the first look while it runs */
	struct list holds;	     /* of operators who say that it is busy: busy.h */
	msec busy_ended;	     /* when the last of those that are over was; or 0 */
	uint64_t looked_at;	     /* requests until the last look */
};

/* What is remembered of a tenant that was woken once. */
struct tenant {
	struct supervisor *sup;
	struct lifecycle life;
	struct tally tally;
	struct tenant_run *run;
	struct output output;	   /* the last lines */
	struct timer output_timer; /* to tell what was dropped */
	struct list waiters;	   /* operators who wait for a state */
	struct list in_queue;	   /* admission */
	struct list in_awake;	   /* supervisor.awake, while it has a run */
	struct list in_untold;	   /* supervisor.untold */
	struct timer retry_timer;  /* of one that is to run from boot and has failed */
	struct control_wake wake;
	char *reason;	     /* of the last failure, for operators; or NULL */
	char *error;	     /* lines of its output that say why, then; or NULL */
	char *last_crash;    /* the reason of the last crash, also when it runs again; or NULL */
	char *public_reason; /* what strangers are told, where failed_in does not say it; or NULL */
	char *warning;	     /* what the last look found and lets pass, or NULL */
	enum tenant_state failed_in;
	unsigned starts, restarts;
	uint32_t slot;
	bool has_told_signal;	/* that it does not end by stop_signal, and what may help */
	bool has_told_gap;	/* what is not backed up of it, in the log */
	bool is_removed;	/* not in the configuration any more: gone when it rests */
	bool is_being_replaced; /* stopped for it, and not running again */
	bool is_in_roll;	/* its end is awaited (roll.h) */
	bool has_told_waiting;	/* that it cannot be replaced yet */
	bool is_starting;	/* counts for max_starting */
	bool is_awake;		/* counts for max_running */
	bool is_stepping;	/* inside tenant_event: further events wait */
	bool releases_port;	/* the application could not bind a port that we kept */
	uint32_t pending[4];
	unsigned npending;
};

/* tenants.c */
/* Made when needed; NULL for an unused slot. */
struct tenant *tenant_at(struct supervisor *s, uint32_t slot);
/* Of the run, else of the configuration; may be NULL. */
const struct tenant_conf *tenant_conf(const struct tenant *t);
struct slot *tenant_slot(const struct tenant *t);
void tenant_event(struct tenant *t, enum lifecycle_event event);
/* Remembers why something failed. */
void tenant_blame(struct tenant *t, const char *fmt, ...) PRINTF(2, 3);
/* The same for what is no business of strangers: they are told `public`, a literal. */
void tenant_blame_privately(struct tenant *t, const char *public, const char *fmt, ...)
	PRINTF(3, 4);
/* Tells the proxy the state once more, for requests that missed it. */
void tenant_announce(struct tenant *t);
/* The states that were reached in this turn and may wait for its end. */
void tenants_tell(struct supervisor *s);
void tenant_free(struct tenant *t);
bool tenant_is_asleep(const struct tenant *t);

/* wake.c */
void wake_restore(struct tenant *t);
void wake_prepare(struct tenant *t);
void wake_cancel(struct tenant *t);
/* A call that is counted in run->backups has come back: false if nobody is interested in its
 * outcome any more. */
bool wake_came_back(struct tenant *t);
bool wake_uses_backup(const struct tenant *t);

/* run.c */
/* Where it listens with `listen: unix`. */
void run_socket_path(const struct tenant *t, char *out, size_t size);
/* Asks its health check, at the port or socket of the present start. */
struct probe *run_probe(struct tenant *t, probe_fn *on_ready) MUST_USE;
/* The same elsewhere; the target's request is filled in. */
struct probe *run_ask(struct tenant *t, struct probe_target *target, probe_fn *on_answer) MUST_USE;
/* It starts, and has answered at this port, which is not the one that it was told. */
void run_is_answered_at(struct tenant *t, unsigned port, bool is_ipv6);
/* A probe that has answered reads on; it is forgotten before the tenant is told to end. */
void run_keep_answered(struct tenant_run *run, struct probe **take_probe);
void run_forget_answered(struct tenant_run *run);
/* It runs, and is about to have crashed: counts that.  False: once too often. */
bool run_may_restart(struct tenant *t);
void run_start(struct tenant *t);
void run_serve(struct tenant *t);
/* Sets the idle timer by the present configuration. */
void run_rearm_idle(struct tenant *t);
/* Stops it unless a request is under way or it is busy.  True if it does. */
bool run_try_idle(struct tenant *t);
/* Starts a program of the tenant: argv is taken apart by config_expand_tenant.  0 or -errno; the
 * blame is laid. */
int run_spawn(struct tenant *t, const struct str_list *words, const struct tenant_port *port,
	process_exit_fn *on_exit);
/* "exited with status 7", "was killed by signal 9 (KILL)". */
void run_describe_exit(int status, char *out, size_t size);
/* Nothing of it is under way. */
bool run_is_over(const struct tenant_run *run);

/* look.c */
/* The application answers: EVENT_READY or EVENT_REFUSED follows. */
void look_when_ready(struct tenant *t);
/* It runs: once more soon, since databases are opened late. */
void look_soon(struct tenant *t);
/* When its idle timer fires.  True if a look is under way, which arms that timer again. */
bool look_when_idle(struct tenant *t);

/* stop.c */
void stop_watch(struct tenant *t);
void stop_signal(struct tenant *t);
void stop_kill(struct tenant *t);
void stop_detach(struct tenant *t);
void stop_detach_now(struct tenant *t);
void stop_settle(struct tenant *t);

/* reload.c */
/* A removed tenant rests: its record goes. */
void tenant_retire(struct tenant *t);

/* supervisor.c */
/* Tells all to end; a second time: at once. */
void supervisor_end(struct supervisor *s);
/* The only application has ended: so do we. */
void supervisor_on_single_exit(struct supervisor *s, int status);
/* It could not even be started. */
void supervisor_on_single_failed(struct supervisor *s, const char *reason);
/* The proxy serves; and, after the end began: it has ended. */
void supervisor_on_listening(struct supervisor *s);
void supervisor_on_proxy_gone(struct supervisor *s);
/* A configuration has been read and is in force, or is not. */
void supervisor_on_reload_over(struct supervisor *s);
/* A tenant rests. */
void supervisor_on_rest(struct supervisor *s, struct tenant *t);
