/* control.h - the control server: HTTP/1.1 and JSON on a unix socket, for the command line and
 * curl.
 *
 *   GET  /v1/status                 fly-atc and its tenants; ?all=1: also those that only sleep
 *   GET  /v1/events                 what happens, as it happens (events.h), as an EventSource reads
 *                                   it; ?tenant=ID or ?user=NAME: to these only
 *   GET  /v1/tenants/<id>           one tenant
 *   POST /v1/tenants/<id>/start     also stop, restart; answers when done, or at once with ?wait=0
 *   POST /v1/restart                all that are awake, one after the other; lines of JSON as they
 *                                   are replaced; ?timeout=5m, ?keep_going=1, ?now=1, ?wait=0
 *   POST /v1/tenants/<id>/busy      ?for=5m: it stays awake for this long; 0: no longer;
 *                                   ?hold=NAME: only the hold of this name is replaced
 *   POST /v1/tenants/<id>/purge     what is cached for it is forgotten; ?path=/x: only that
 *   GET  /v1/cache                  what is cached, by tenant
 *   GET  /v1/tenants/<id>/logs      lines of output, one JSON object each; ?n=50, ?follow=1
 *   POST /v1/reload                 422 with the faults if the new configuration has any;
 *                                   202 if it is in force, but not used by the proxy yet
 *   GET  /v1/users                  the users, and where they live
 *   POST /v1/roster/users/<name>/add  also change, remove; the same of tenants/<id> and
 *                                   machines/<name>: writes the roster, and answers when it is in
 *                                   force here; the body has the settings; ?dry_run=1, ?by=WHO
 *   POST /v1/roster/revert          ?version=N: takes back all after it; ?only=1: only that one
 *   GET  /v1/roster/history         the last changes; ?n=50, ?version=N: that one and before
 *   POST /v1/roster/changed         somebody has changed the roster (?version=N): it is read, and
 *                                   answered when it is in force; 422 if it does not fit
 *   GET  /v1/machines               the machines of the fleet, as their platform shows them
 *   POST /v1/machines               makes one like this one; ?region=ord, ?name=NAME, ?key=KEY: a
 *                                   second try with the same key makes no second one
 *   POST /v1/machines/<name>/wake   also sleep (?how=suspend or stop), and destroy (?force=1: even
 *                                   if tenants live there); answers when the platform has done it
 *   GET  /v1/config                 the effective configuration (YAML)
 *   GET  /v1/version
 *
 * The server lives in the supervisor's loop and never blocks it.  What it shows and does comes from
 * `struct control_ops`, which the supervisor implements; the shape of the JSON is decided here
 * alone. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "config/config.h"
#include "link/scoreboard.h"
#include "loop/loop.h"

struct control;

/* How long the phases of a start took; 0 for one that was not needed. */
struct control_wake {
	msec restore; /* databases restored and checked; and, after prepare, registered for
			 replication */
	msec prepare; /* the prepare command */
	msec start;   /* from fork to execve: directories, namespace, socket */
	msec ready;   /* from execve to the first good answer: the application's own time */
};

/* Counted over a tenant's answers, since fly-atc began. */
struct control_cache {
	uint64_t bytes, entries, hits, misses;
};

/* One tenant as it is shown.  All strings are borrowed, and read before the callback returns. */
struct control_tenant {
	str id, user;
	enum tenant_state state;
	pid_t pid;	     /* leader of its process group; 0 without a process */
	uint32_t generation; /* of its copies: number of the last one */
	msec since;	     /* monotonic moment of the last change of state */
	bool has_woken;	     /* since fly-atc began; if not, only id, state, home and
				backup_pending      are valid */
	struct {
		bool is_here; /* false: it belongs to another machine or region */
		str machine;  /* that it lives on; empty: not known by name */
	} home;
	uint32_t in_flight, upgrades;
	uint64_t requests, held;
	struct control_wake
		wake; /* of the last start that succeeded, or of the present one so far */
	struct {
		unsigned starts, restarts; /* the latter after crashes */
	} since_began;			   /* fly-atc */
	struct {
		str reason;	/* of the last failure, in one sentence; empty if the last start
				   succeeded */
		str error;	/* the lines of its output that say why it failed then; or empty */
		str last_crash; /* why it was last restarted, even when it runs again; or empty */
	} failure;
	struct {
		/* It is to be replaced: since when (monotonic; 0: it is not), at the latest when
		 * (MSEC_NEVER), why, and what it waits for. */
		msec since, at;
		str why, waits;
	} replace;
	msec retry_at;	 /* in FAILED: monotonic moment from which a request tries again; else 0 */
	msec busy_until; /* monotonic moment until which it is said to be at work; 0: it is not */
	str warning; /* what was found wrong with where its data are, but is tolerated; or empty */
	struct {
		str gap;     /* what is not backed up of it ("no database, 12 files"), or empty */
		str pending; /* why its last state is not in the store yet; empty if it is */
	} unsaved;
	struct control_cache cache;
	str isolation;			  /* "private directories", "environment only", … */
	struct log_losses output_dropped; /* of its output, since fly-atc began */
};
typedef void control_tenant_fn(void *arg, const struct control_tenant *t);

/* A line that a tenant wrote. */
struct control_line {
	uint64_t time; /* wall clock, milliseconds since 1970 */
	bool is_stderr;
	bool is_cut; /* it was longer */
	str text;
};
typedef void control_line_fn(void *arg, const struct control_line *line);

/* The roster, as far as this machine knows it. */
struct control_roster {
	str place;	  /* empty: there is none */
	uint64_t version; /* in force */
	uint64_t newest;  /* greater if that does not fit: */
	str misfit;
	bool is_known; /* it was read once, here or before: */
	uint64_t age;  /* seconds since it was known to be the newest */
	str silence;   /* why it cannot be read now; or empty */
};

/* fly-atc itself. */
struct control_global {
	msec started_at;	   /* monotonic */
	str address;		   /* what it listens on: "*:8080", for people */
	pid_t proxy_pid;	   /* 0 while there is none */
	unsigned proxy_restarts;   /* after crashes */
	str proxy_reason;	   /* why it was started again last; empty if it never was */
	unsigned threads;	   /* of the proxy */
	const struct config *conf; /* in force now; borrowed */
	bool is_proxy_configured;  /* all its threads use conf */
	bool is_draining;	   /* told to end */
	struct control_roster roster;
	str isolation;		       /* how tenants are kept apart here */
	struct log_losses log_dropped; /* lines of the supervisor's for which there was no room */
};

/* Whether the machine is about to sleep (supervisor/sleep.h). */
struct control_sleep {
	str step;  /* "awake", "falling asleep", … */
	str how;   /* how it sleeps: "suspend", "stop", "exit", "none" */
	str fault; /* why it did not sleep when it was to; or empty */
	uint64_t in_flight;
	size_t holds;	 /* by operators */
	msec busy_until; /* monotonic, of these; 0: there are none */
	msec idle;	 /* for how long nobody has used it; 0: somebody does */
	uint64_t sleeps; /* that the platform has accepted */
	msec resumed;	 /* monotonic; 0: never */
};

/* The end of an action: 0, or -errno and a reason for people.  -ENOENT: no such tenant (any more);
 * -ECANCELED: another action or the end of fly-atc came first; -ETIMEDOUT, -EIO, …: it failed. */
typedef void control_done_fn(void *arg, int err, str reason);
typedef void control_action_fn(void *arg, str id, control_done_fn *done, void *done_arg);

/* 0 and the number of entries that are gone, or -ENOENT. */
typedef void control_purged_fn(void *arg, int err, uint32_t entries);

/* What a reload did.  faults->errors != 0: nothing changed. */
struct control_reload {
	const struct config_faults *faults; /* errors and warnings */
	bool is_in_use; /* no request meets the former configuration any more; otherwise: */
	const char *why_not;
	uint32_t added, removed, changed; /* tenants */
	str needs_restart; /* names of changed settings that need a restart of fly-atc */
};
typedef void control_reload_fn(void *arg, const struct control_reload *r);

/* The end of a look at the roster: 0, and the version in force; or -errno and why not. */
typedef void control_roster_fn(void *arg, int err, uint64_t version, str reason);

/* A change of the roster, of which all is valid until the call returns. */
struct control_roster_request {
	str kind; /* "users", "tenants", "machines"; empty: it is a return to `version` */
	str verb; /* "add", "change", "remove" */
	str name;
	str settings; /* as the file has them; may be empty */
	str by;	      /* who asks */
	uint64_t version;
	bool only_that; /* of the return: only this version is taken back */
	bool is_dry;
};

struct control_roster_outcome {
	int err; /* 0, or as roster.h has it: -EINVAL, -EEXIST, -ENOENT, -EBADMSG, -EBUSY, -EIO */
	str reason;
	uint64_t version;		    /* that was written, or would be; 0: nothing changes */
	str text;			    /* what changes, for people */
	const struct config_faults *faults; /* NULL: none */
	str not_yet;			    /* why it is not in force here; empty: it is */
};
typedef void control_wrote_fn(void *arg, const struct control_roster_outcome *o);

/* What one version of the roster has changed. */
struct control_roster_record {
	uint64_t version;
	int64_t when; /* seconds since 1970 */
	str by, what;
	struct control_roster_entry {
		str kind, name, before, after; /* JSON; empty: there was none */
	} * changes;
	size_t nchanges;
};
/* Called for each, and then once with NULL: over, with 0, or -errno and why. */
typedef void control_record_fn(
	void *arg, const struct control_roster_record *record, int err, str reason);

/* A restart of all awake tenants. */
struct control_roll {
	bool keeps_going; /* even when one fails */
	bool is_hurried;  /* requests in progress get drain_timeout and no longer */
	msec timeout;	  /* what still waits after that is reported, and goes on; 0: no limit */
};

enum control_rolled {
#define ROLLED(name, text, doc) ROLLED_##name,
#include "control/rolled.def"
	CONTROL_NROLLED
};

struct control_roll_counts {
	size_t replaced, asleep, failed, kept, waiting;
};

/* What has become of one of them; nothing comes after ROLLED_OVER.  Strings are borrowed. */
struct control_rolled_tenant {
	enum control_rolled what;
	str id;
	str reason;			   /* why it waits or failed; OVER: why early, or empty */
	struct control_wake wake;	   /* REPLACED */
	struct control_roll_counts counts; /* OVER */
	bool goes_on;			   /* OVER: without the one who asked */
};
typedef void control_rolled_fn(void *arg, const struct control_rolled_tenant *t);

/* Who we are in the fleet, by its platform. */
struct control_fleet {
	str target;			 /* "fly", "none", … */
	str app, machine, region, image; /* or empty */
	uint64_t memory;		 /* bytes; 0: it is not said */
};

/* One machine of it; strings are borrowed, and may be empty but for name. */
struct control_machine {
	str name, label, region;
	str state; /* in the platform's words */
	str address;
	bool is_self;
	size_t ntenants; /* that live there */
};
typedef void control_machine_fn(void *arg, const struct control_machine *m);

enum control_machine_what {
	CONTROL_MACHINE_WAKE,
	CONTROL_MACHINE_SUSPEND,
	CONTROL_MACHINE_STOP,
	CONTROL_MACHINE_CREATE,
	CONTROL_MACHINE_DESTROY,
};
struct control_machine_order {
	enum control_machine_what what;
	str name, region, key; /* CREATE: any may be empty */
	bool is_forced;	       /* DESTROY: even if tenants live there */
};

/* What the supervisor can do.  Every `done` is called exactly once, never from inside the call that
 * took it, and may also be called after control_free (it is then ignored).  `each` is called from
 * inside. */
struct control_ops {
	void (*global)(void *arg, struct control_global *ret);
	/* Tenants in the order of their ids: those with has_woken or a pending backup; with `all`,
	 * every one. */
	void (*tenants)(void *arg, bool all, control_tenant_fn *each, void *each_arg);
	/* One tenant.  False if there is none with this id. */
	bool (*tenant)(void *arg, str id, control_tenant_fn *each, void *each_arg);
	/* done when it is RUNNING, at once if it is.  A FAILED tenant is tried again without
	 * waiting for its back-off. */
	control_action_fn *start;
	/* Ends requests and upgrades after the stop timeout; done when it is STOPPED, at once if it
	 * sleeps. */
	control_action_fn *stop;
	/* stop, then start. */
	control_action_fn *restart;
	/* It runs, and `hold` (which may be empty) says that it is at work for this long from now
	 * (0: no longer). */
	void (*busy)(
		void *arg, str id, str hold, msec length, control_done_fn *done, void *done_arg);
	/* The machine: `hold` says that it is at work, as for a tenant.  0; -EPERM: busy_max is 0;
	 * -EBUSY: too many say so already; -ECANCELED: fly-atc is about to end. */
	int (*hold)(void *arg, str hold, msec length);
	void (*sleep)(void *arg, struct control_sleep *ret);
	/* The newest lines (at most n), oldest first; nothing for an unknown tenant. */
	void (*tail)(void *arg, str id, size_t n, control_line_fn *each, void *each_arg);
	void (*reload)(void *arg, control_reload_fn *done, void *done_arg);
	/* This version of the roster has been written; 0: it is not known which.  done when it, or
	 * a later one, is in force. */
	void (*roster_changed)(
		void *arg, uint64_t version, control_roster_fn *done, void *done_arg);
	void (*roster_write)(void *arg, const struct control_roster_request *q,
		control_wrote_fn *done, void *done_arg);
	/* At most n changes up to this version (0: the newest), the newest first. */
	void (*roster_history)(
		void *arg, uint64_t version, size_t n, control_record_fn *each, void *each_arg);
	void (*fleet)(void *arg, struct control_fleet *ret);
	/* `each` for every machine, if done is then called without an error. */
	void (*machines)(
		void *arg, control_machine_fn *each, control_done_fn *done, void *done_arg);
	/* done with 0 and the machine's name, or -errno and why not. */
	void (*machine)(void *arg, const struct control_machine_order *order, control_done_fn *done,
		void *done_arg);
	/* backup_status_json. */
	void (*backup)(void *arg, struct buf *json);
	/* What is cached for a tenant, or only for this path (not empty), is forgotten. */
	void (*purge)(void *arg, str id, str path, control_purged_fn *done, void *done_arg);
	/* Each awake tenant is stopped when it is unused, and started again.  NULL and then `each`,
	 * or why not. */
	const char *(*restart_all)(
		void *arg, const struct control_roll *how, control_rolled_fn *each, void *each_arg);
};

/* Creates the socket (mode 0600) at `path`, and its directory (mode 0700) if that is missing.  A
 * socket on which nothing answers is replaced.  Borrows ops and arg.  NULL and *ret_reason
 * (malloc'd, in one sentence) if it cannot be made. */
struct control *control_new(struct loop *l, str path, const struct control_ops *ops, void *arg,
	char **ret_reason) MUST_USE;
/* A tenant wrote a line: passes it to those who follow its logs.  Call it for each line; it costs
 * nothing without followers. */
void control_on_output(struct control *c, str tenant, const struct control_line *line);
/* Closes all connections and removes the socket.  NULL is fine.  Not from inside an op. */
void control_free(struct control *c);
