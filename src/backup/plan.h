/* plan.h - what must be done before a tenant's databases can be used, and the parts of it that
 * block.
 *
 * A restore is three steps: plan_make (look at the files, ask the store, clear the way), the
 * restores themselves (restore.c, children of the loop), plan_finish (check what came, put it in
 * its place, write the proof). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/record.h"

enum local_file {
	LOCAL_ABSENT,
	LOCAL_EMPTY,
	LOCAL_PRESENT,
	LOCAL_ALIEN /* no SQLite database */
};

struct plan_database {
	const char *name, *path; /* borrowed; path is absolute */
	bool has_backup;
	enum local_file local;
	bool is_restored; /* from the replica of this epoch, at least up to this transaction */
	uint64_t epoch, txid;
	struct record_owner owner;
	bool has_come; /* between the steps: the child succeeded */
	uint64_t came_txid;
	struct why why; /* or the child's last words */
};

struct plan {
	struct store *store; /* NULL: no backup; then it only clears leftovers away */
	const char *store_url;
	str tenant;
	const char *dir;
	const char *base; /* of the databases: struct entry */
	msec until;
	bool files_matter;
	bool has_waited; /* long enough for another machine */
	bool may_change; /* no Litestream knows any of these files now */
	struct plan_database *dbs;
	size_t ndbs;

	int result;	   /* 0, or -errno and why */
	bool needs_change; /* make it again with may_change */
	bool must_wait;	   /* another machine (head_holder) has it open: make it again later */
	bool is_new, is_offline;
	uint64_t nfiles; /* beside the databases */
	bool is_changed; /* the epoch has changed: plan_finish writes the proof */
	struct head head;
	struct etag etag;
	struct buf notes; /* lines for the log */
	struct why why;
};

/* The path beside the database to which it is restored; NUL-ended. */
#define PLAN_SUFFIX ".restoring"

/* Both block. */
void plan_make(void *plan);
void plan_finish(void *plan);
void plan_done(struct plan *p);
