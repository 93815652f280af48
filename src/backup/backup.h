/* backup.h - databases of tenants: restored when missing, replicated while the tenant is awake,
 * confirmed when it stops. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "config/config.h"
#include "loop/loop.h"

struct backup;

struct backup_result {
	bool is_ok;
	bool is_new;  /* backup_restore: there was nothing, neither here nor in the store; it is now
			 recorded as born */
	bool is_lost; /* backup_recheck: another fly-atc has the databases now */
	char reason[512]; /* when not ok: what failed and what to do, for status, log and the 503
			   * page. backup_restore, ok and not empty: the store could not be asked,
			   * but what is here is proven to be the latest; backup_attach likewise:
			   * they are not replicated yet */
};
/* Exactly once, never from inside the call that took it. */
typedef void backup_fn(void *arg, const struct backup_result *r);

/* One for the process, even without backup.url (then restore only cleans up and checks, and attach
 * succeeds at once). NULL and *ret_reason if the configuration cannot work (program missing or too
 * old, bad url). Borrows run_dir. */
struct backup *backup_new(
	struct loop *l, const struct config *conf, str run_dir, char **ret_reason);
/* A Litestream that was not tried before is tried while we already serve; meanwhile nothing is
 * replicated or restored.  Called at most once, with the reason, if it loses commits: then nothing
 * ever will be, and the caller should end. */
void backup_on_refused(struct backup *b, backup_fn *refused, void *arg);
/* After a reload.  b copies what it needs of conf and of tenant_conf; nothing is borrowed beyond a
 * call. */
void backup_configure(struct backup *b, const struct config *conf);

/* Before a tenant may start: clears leftovers (litter of killed restores, a -wal without database),
 * asks the store whether what is here is the latest, restores what is missing or old, checks it.
 * Every successful restore is eventually followed by backup_detach, attached or not. docs/backup.md
 * has the rules. */
void backup_restore(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg);
/* Between restore and attach: another program (the prepare command) is going to write to the
 * databases and needs them to itself.  Litestream lets go of those that it still has from a detach
 * that was not confirmed.  attach notices what was written meanwhile. */
void backup_release(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg);
/* Between restore and detach: a number that is restored along with the databases, 0 where there is
 * none. What is set reaches the store with what attach confirms. */
uint64_t backup_prepared(const struct backup *b, const struct tenant_conf *t);
void backup_set_prepared(struct backup *b, const struct tenant_conf *t, uint64_t fingerprint);
/* What is not backed up of a tenant, as far as it is known ("no database, 12 files"); nothing is
 * appended where all is, or where no backup is configured. */
void backup_add_gap(const struct backup *b, const struct tenant_conf *t, struct buf *out);
/* The same by looking at the disk, for the command line.  Blocks. */
void backup_find_gap(const struct config *c, const struct tenant_conf *t, struct buf *out);
/* Checks whether the databases were written to since they were let go: by an operator, or after
 * backup_restore by the tenant's own migrations, which need no Litestream.  If so, and the files
 * are in order, a new epoch begins with a whole copy; for a database that is new the first copy is
 * one anyway. Registers them with Litestream; done when those that exist are confirmed to be in the
 * store.  Repeat it when the application has made its files.  Idempotent.
 *
 * It does not wait for a Litestream that is dead or for a store that is silent, refuses or is full:
 * then it is ok with a reason, and what is written is found and brought to the store later.  Not
 * ok: never restored, gave way to something else, or a database that was written to and is
 * damaged.  In any case the databases stay with us until backup_detach. */
void backup_attach(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg);
/* The application has ended: confirm that the store has everything (txid == replicated_txid),
 * compare its pages with those of the databases, then unregister.  When that fails the databases
 * stay registered and are tried again with back-off until they are confirmed or attached again; the
 * result is that of the first try; backup_pending tells the present state. */
void backup_detach(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg);
/* The machine has slept, and the tenant runs: asks the store whether the databases are still ours;
 * not ok and is_lost if they are not, not ok alone if there is no answer. */
void backup_recheck(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg);
/* Connections to the store that are open lead nowhere any more. */
void backup_forget_connections(struct backup *b);
/* Nothing of this tenant is awake: what was not confirmed, or is being caught up with, is let go as
 * it is, since another fly-atc goes on with the same files.  Ok: nothing here touches them any
 * more, and what was known of them is forgotten.  False: so it is already; then done is not
 * called. */
bool backup_abandon(struct backup *b, str id, backup_fn *done, void *arg) MUST_USE;
/* At the start of fly-atc: tenants whose last life ended without a confirmed detach (a crash of the
 * machine, a kill of fly-atc) and whose databases are still here are confirmed, a few at a time,
 * without being started.  One that is restored, attached or detached meanwhile is left to that
 * call. */
void backup_catch_up(struct backup *b, const struct config *conf);
/* Why the last state of a stopped tenant is not in the store yet; empty if it is. */
str backup_pending(const struct backup *b, const struct tenant_conf *t);
/* Waits until the last state of a stopped tenant (of all of them, if t is NULL) is in the store: at
 * most sync_timeout from its detach, and not once it is attached again; then not ok, with the
 * reason. */
void backup_await(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg);
/* All the waits end at once, as not ok. */
void backup_await_no_longer(struct backup *b);
/* Asks the store for something that does not exist, whatever else is under way: ok if it answers.
 * False: there is no store, or the end has begun; then done is not called. */
bool backup_reach(struct backup *b, backup_fn *done, void *arg) MUST_USE;
/* Summary for `fly-atc status --json`:
 * {"url":…,"daemon":{"pid":…,"version":…,"restarts":…},"databases":[…]}. */
void backup_status_json(const struct backup *b, struct buf *out);
/* Ends the daemon after everything was detached; what is still under way fails.  done exactly
 * once. */
void backup_stop(struct backup *b, backup_fn *done, void *arg);
/* After the end of backup_stop, or if nothing was ever asked. */
void backup_free(struct backup *b);

/* For `fly-atc check`: appends a line for each fault (url, keys, program missing or too old, and
 * what to do), and for a Litestream that loses commits in a trial (trial.h). 0 or -EINVAL.  Blocks:
 * it runs the program. */
int backup_check(const struct config *c, struct buf *ret_text) MUST_USE;
