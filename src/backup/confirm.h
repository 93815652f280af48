/* confirm.h - the databases of a tenant are in the store, and the store has the same pages.
 *
 * Litestream's word is not enough: it may have missed writes while it was away, or to a file that
 * replaced the one it knew, or by a fault of its own.  So we check whether anything may have been
 * written unobserved (observe.h), and compare the pages that the store has (mirror.h) with those
 * that SQLite sees (live.h).  Where either fails, all databases of the tenant begin a new epoch
 * with a whole copy (renew.h). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/backup_int.h"
#include "backup/observe.h"
#include "backup/renew.h"
#include "base/magic.h"
#include "process/process.h"

enum confirm_kind {
	CONFIRM_WAKE, /* before the application starts: compares nothing, and waits for no
			 Litestream that has died */
	CONFIRM_LOOK, /* while it runs: compares from time to time, and never delays a writer */
	CONFIRM_LAST  /* it has ended: compares, unless nothing was written */
};

/* 0; -EUCLEAN: a database here is damaged; else -EIO. */
typedef void confirm_fn(void *arg, int result, const struct why *why);

/* What is done about one database. */
struct confirm_part {
	struct database *db;
	char *key; /* of its replica */
	struct observation look;
	bool follows, compares;
	bool looks;    /* whether Litestream has read what is not committed; then it compares */
	uint64_t txid; /* to follow to */
	struct identity seen;
	struct pages live;
	bool has_live;
	struct touched touched;
	uint32_t differ, first;
	int result; /* 0 or as mirror_follow */
	struct why why;
};

enum { CONFIRM_MAGIC = MAGIC('c', 'o', 'n', 'f') };

struct confirm {
	uint32_t magic;
	struct entry *entry;
	enum confirm_kind kind;
	msec until;
	confirm_fn *done;
	void *arg;
	struct confirm_part *parts;
	size_t nparts, ndone;
	struct tasks tasks;
	bool is_working, is_cancelled;
	atomic_bool stop; /* for the thread */
	unsigned renewals, losses;
	struct renewal renewal;
	struct process *copying; /* a restore to compare with, of parts[ncopy] */
	size_t ncopy;
	struct buf copy_out;
	struct timer copy_limit;
	struct why why;
};

/* done exactly once, never from inside; c ends with it. */
struct confirm *confirm_start(
	struct entry *e, enum confirm_kind kind, msec until, confirm_fn *done, void *arg);
/* Makes it end soon, as failed.  NULL is fine. */
void confirm_cancel(struct confirm *c);

/* --- verify.c, for confirm.c --- */
/* Starts what comparisons there are to make; false if there are none. */
bool verify_start(struct confirm *c);
/* The second half of a look: the store has followed to what Litestream confirmed after the pages
 * were read. */
void verify_finish(struct confirm *c);

/* --- confirm.c, for verify.c --- */
void confirm_succeed(struct confirm *c);
void confirm_fail(struct confirm *c, const char *why);
void confirm_sync(struct confirm *c);
/* The store differs from the database: a whole copy in a new epoch. */
void confirm_renew(struct confirm *c);
void confirm_work(struct confirm *c, loop_fn *run, loop_fn *done);

/* --- settle.c: let go, and still the same as what was compared? --- */
struct settling;
typedef void settle_fn(void *arg, int result, const struct why *why);
/* After the release: seals each database on this disk.  -EUCLEAN: one has been written to. */
void settle_start(struct entry *e, const atomic_bool *stop, settle_fn *done, void *arg);
