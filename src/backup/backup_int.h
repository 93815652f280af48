/* backup_int.h - the entries of tenants and the operations on them, shared by the files of this
 * folder.
 *
 * An entry lives from a tenant's restore until its detach is confirmed.  Its operations run one
 * after the other; our own (a retry, a look of the watchdog) give way to those that the supervisor
 * asks for. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "backup/backup.h"
#include "backup/mirror.h"
#include "backup/plan.h"
#include "backup/replica.h"
#include "base/magic.h"
#include "base/map.h"
#include "process/process.h"

/* Limits that tests lower. */
struct backup_timing {
	msec linger;	   /* the daemon's, when no tenant is awake */
	msec watch_period; /* between two looks of the watchdog */
	msec stall_limit;  /* without confirmation although the store answers: the daemon is
			    replaced */
	msec first_retry, longest_retry; /* after a failed detach */
	msec keep_left;			 /* for what is in an epoch that was left */
	uint64_t max_released;		 /* databases that one daemon may have let go */
	bool tries_program; /* what runs the tests is not the program that can do this */
};

enum { BACKUP_MAGIC = MAGIC('b', 'a', 'c', 'k') };

struct backup {
	uint32_t magic;
	struct loop *loop;
	struct location location;
	struct store
		*store; /* NULL: no backup.url; then there is no program, environment or daemon */
	struct work *work;
	char *program;
	char **env;
	int keys_fd; /* for it; -1 without */
	struct daemon *daemon;
	struct probation *probation; /* NULL: passed */
	struct {
		backup_fn *on_refused;
		void *arg;
	} refused;
	struct registry registry;
	struct backup_timing timing;
	struct {
		msec restore_timeout, sync_timeout, verify_interval;
		unsigned max_restores;
	} limits;

	struct map entries;
	struct map files; /* tenant -> struct known_files, also for those at rest */
	unsigned nattached, nops;
	struct {
		struct list waiting; /* children that wait for their turn */
		unsigned count;	     /* that run */
	} restoring;

	struct list awaits; /* waits for the end of what is pending */
	struct {
		struct list waiting; /* catch-ups that wait for their turn */
		unsigned count;	     /* those under way */
	} catchup;
	struct {
		struct timer timer; /* set while something is under way, or a tenant is attached */
		bool is_asking;	    /* the watchdog asks the store */
	} watchdog;
	struct {
		bool is_stopping, is_sent;
		backup_fn *on_stopped;
		void *arg;
	} stop;
	bool is_trying; /* Litestream, in a process of its own: probation.c */
};

struct database {
	char *name, *path; /* absolute */
	bool has_backup;
	struct replica replica;
	bool is_fresh; /* nothing of it is in this epoch yet: Litestream starts with a whole copy */
	struct identity registered; /* when Litestream was told of it; zero: there was no file */
	bool is_resumed; /* Litestream goes on where it, or another one, was before, and has not
			    confirmed yet … */
	uint32_t
		resumed_salt[2]; /* … that it has seen the WAL, which was this one when we looked */
	struct mirror mirror;	 /* what the store has, as far as we have followed it */
	uint64_t verified_txid; /* the last transaction whose state in the store was compared
				   with the database; 0: none in this epoch */
	msec verified_at;
	uint64_t ahead_txid; /* at the last look Litestream had this one, and SQLite did not; 0: no
				such thing */
	struct identity verified; /* what the database looked like then */
	bool is_settled;	  /* let go, in the state `verified` */
	bool is_doubted;	  /* the store was found to have something else */
};

enum { ENTRY_MAGIC = MAGIC('t', 'e', 'n', 't') };

struct entry {
	uint32_t magic;
	struct backup *b;
	char *id, *dir;
	const char *base; /* dir, in which a tenant may have set traps; NULL: the operator's own
			     place */
	struct database *dbs;
	size_t ndbs;
	struct head head; /* of the epoch that is ours; epoch 0: not restored yet */
	struct etag etag;
	bool is_proven; /* its files were here, and were the latest */
	bool files_matter;
	uint64_t prepared; /* what HEAD is to say; see backup_set_prepared */
	bool is_offline;   /* restored without the store; HEAD is still to be read */
	bool is_attached;  /* Litestream may know its databases */
	bool is_pending;   /* detached, but not confirmed */
	bool is_asked;	   /* an operation that is not our own waits for it */
	struct why pending;
	msec detach_began; /* the first try */
	msec retry_pause;
	struct timer retry;
	struct list ops; /* waiting */
	struct op *running;
};

/* The reason of an operation that was cancelled. */
#define OP_GAVE_WAY "given up: fly-atc is stopping, or something else was asked for"

struct op;
typedef void op_fn(struct op *op);

enum { OP_MAGIC = MAGIC('o', 'p', 'e', 'r') };

/* Embedded in each kind of operation; finished with op_finish, which frees it. */
struct op {
	uint32_t magic;
	struct list node;
	struct entry *entry;
	op_fn *start;
	op_fn *cancel;	 /* makes it end soon, as failed */
	op_fn *free;	 /* frees what it owns, but not the operation itself */
	backup_fn *done; /* or NULL */
	void *arg;
	bool is_background; /* our own: gives way to what is asked for */
	bool is_cancelled;
};

/* --- entry.c --- */
/* The entry of a tenant, made of its settings if there is none. */
struct entry *entry_get(struct backup *b, const struct tenant_conf *t);
struct entry *entry_find(const struct backup *b, str id);
/* Takes over the settings as they are now; only while nothing is attached. */
void entry_configure(struct entry *e, const struct tenant_conf *t);
void entry_free(struct entry *e);
/* Absolute; free it. */
char *entry_database_path(const struct tenant_conf *t, const struct database_conf *db) MUST_USE;
static inline str entry_id(const struct entry *e)
{
	return str_of(e->id);
}
bool entry_has_backup(const struct entry *e);
/* The URL of each replica follows the epoch. */
void entry_set_epoch_urls(struct entry *e);

/* The database belongs to another epoch from now on.  is_fresh: nothing of it is there yet; else
 * what is there came through an earlier Litestream. */
void entry_begin_epoch(struct database *db, bool is_fresh);

/* This many files are beside its databases. */
struct known_files {
	char *id;
	uint64_t n;
};
void files_known(const struct entry *e, uint64_t n);
void files_forget_all(struct backup *b);

/* From now on, or no longer, Litestream may know its databases. */
void entry_attach(struct entry *e);
void entry_unattach(struct entry *e);

/* Queues an operation; op is the first member of an allocation that is freed by op_finish. */
void op_add(struct entry *e, struct op *take_op);
void op_cancel(struct op *op);
void op_finish(struct op *op, const struct backup_result *result);
void op_fail(struct op *op, const char *why);
void op_succeed(struct op *op);

/* --- tasks.c: a task for each database, joined --- */
typedef void tasks_fn(void *arg, bool is_ok);
struct tasks {
	struct task **
		tasks; /* NULL where there is none (any more); as many as the entry has databases */
	size_t ndbs, running;
	bool is_ok, is_lost; /* one of them ended with TASK_LOST */
	struct why why;	     /* of the first that failed */
	struct entry *entry;
	tasks_fn *done;
	void *arg;
};
/* done exactly once, never from inside.  A hasty task does not wait for a Litestream that has
 * died. */
void tasks_start(struct tasks *t, struct entry *e, enum task_kind kind, msec until, bool is_hasty,
	tasks_fn *done, void *arg);
void tasks_cancel(struct tasks *t, const char *why);
void tasks_done(struct tasks *t);

/* --- restore.c, attach.c, detach.c, release.c, recheck.c --- */
/* `litestream restore`, with the keys of the store: what is at `url` into the file `to`.  `spec`
 * says where to report.  0, or -errno and the step that failed. */
int restore_child(struct backup *b, const char *url, const char *to, struct process_spec spec,
	struct process **ret, const char **ret_step) MUST_USE;
/* Starts those that waited for their turn, or for the program to be tried. */
void restore_run_waiting(struct backup *b);
/* The transaction in the output of `litestream restore -json`. */
bool restore_read_txid(str out, uint64_t *ret);
struct op *restore_op(bool is_background) MUST_USE;
struct op *attach_op(
	bool is_look) MUST_USE; /* a look of the watchdog tries for a short time only */
struct op *detach_op(bool is_background) MUST_USE;
/* forgets: no detach follows, another fly-atc goes on. */
struct op *release_op(bool forgets) MUST_USE;
struct op *recheck_op(void) MUST_USE;

/* --- headjob.c: HEAD and proof are brought up to what is confirmed --- */
typedef void headjob_fn(void *arg, int result, const struct why *why);
/* True if HEAD in the store says less than it should, or names another state. */
bool headjob_is_needed(const struct entry *e, bool seals);
void headjob_start(struct entry *e, bool seals, headjob_fn *done, void *arg);

/* --- await.c --- */
/* e is no longer pending; why is NULL if it was confirmed. */
void await_end(const struct entry *e, const char *why);
void await_end_all(struct backup *b, const char *why);

/* --- catchup.c --- */
void catchup_forget_all(struct backup *b);

/* --- probation.c --- */
/* Litestream, of this version, is tried if this very file has not passed before; it is barred
 * meanwhile. */
void probation_start(struct backup *b, const struct config *conf, str run_dir, const char *version);
/* Its end calls backup_stop_advance. */
void probation_stop(struct backup *b);
void probation_free(struct backup *b);

/* --- watchdog.c --- */
/* Call it when something begins that may attach a tenant; it goes on by itself until nothing is
 * under way and no tenant attached. */
void watchdog_start(struct backup *b);

/* --- ageing.c --- */
/* Replaces a daemon that has leaked enough. */
void ageing_check(struct backup *b);

/* --- stopping.c --- */
/* Call it when something has ended: after backup_stop, if that was the last, the rest ends. */
void backup_stop_advance(struct backup *b);

/* --- backup.c --- */
/* For tests: backup_new with other limits. */
struct backup *backup_new_timed(struct loop *l, const struct config *conf, str run_dir,
	const struct backup_timing *timing, char **ret_reason) MUST_USE;
