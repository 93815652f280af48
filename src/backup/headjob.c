/* headjob.c - HEAD and proof follow what Litestream has confirmed. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "backup/backup_int.h"
#include "backup/beside.h"
#include "base/alloc.h"
#include "base/magic.h"

/* A listing of this many fits into STORE_OBJECT_MAX, whatever a store says about each object. */
#define REMOVE_AT_ONCE 200u

enum { HEADJOB_MAGIC = MAGIC('h', 'e', 'a', 'd') };

struct headjob {
	uint32_t magic;
	struct entry *entry;
	/* the thread's own until it ends */
	struct store *store;
	const char *store_url, *dir;
	str tenant;
	msec until;
	const struct database
		*dbs; /* the entry's: their names and paths stay while an operation runs */
	size_t ndbs;
	struct head head;
	struct etag etag;
	bool has_new_names, seals, files_matter;
	bool is_without_databases, was_sealed, knew_files; /* as HEAD is now, with */
	uint64_t known_files;
	int64_t left_until;
	int result;
	struct why why;
	headjob_fn *done;
	void *arg;
};

/* Registered in this epoch and confirmed: what HEAD may say. */
static bool is_recordable(const struct database *db)
{
	return db->has_backup && db->replica.is_confirmed;
}

static bool is_recorded(const struct entry *e, const struct database *db, bool with_txid)
{
	const struct record_database *known = head_find(&e->head, db->name);

	return known && known->epoch == e->head.epoch &&
	       (!with_txid || known->txid == db->replica.txid);
}

bool headjob_is_needed(const struct entry *e, bool seals)
{
	MAGIC_CHECK(e, ENTRY_MAGIC);
	if (e->is_offline || e->head.is_sealed != seals || e->prepared != e->head.prepared)
		return true;
	for (size_t i = 0; i < e->ndbs; i++)
		if (is_recordable(&e->dbs[i]) && !is_recorded(e, &e->dbs[i], seals))
			return true;
	return false;
}

/* The replicas of epochs that were left long ago. */
static void remove_left(struct headjob *job)
{
	uint64_t epoch;

	while ((epoch = head_expired(&job->head, job->left_until)) != 0) {
		CLEAN_FREE char *prefix = location_replica_key(job->tenant, epoch, STR_EMPTY);
		int removed;

		do
			removed = store_remove(
				job->store, prefix, REMOVE_AT_ONCE, job->until, &job->why);
		while (removed == (int)REMOVE_AT_ONCE);
		if (removed < 0)
			return; /* another time */
		head_forget(&job->head, epoch);
	}
}

static void note_owners(struct headjob *job)
{
	for (size_t i = 0; i < job->ndbs; i++) {
		struct record_database *db = head_find(&job->head, job->dbs[i].name);
		struct stat st;

		if (db && stat(job->dbs[i].path, &st) == 0)
			db->owner = (struct record_owner){
				true, st.st_mode & RECORD_MODE, st.st_uid, st.st_gid};
	}
}

static void note_files(struct headjob *job)
{
	CLEAN_FREE const char **paths = xcalloc(job->ndbs + 1, sizeof(*paths));

	for (size_t i = 0; i < job->ndbs; i++)
		paths[i] = job->dbs[i].path;
	job->head.knows_files = job->files_matter;
	job->head.nfiles =
		job->files_matter
			? beside_count(&(struct beside){job->dir, paths, job->ndbs}, BESIDE_ENOUGH)
			: 0;
}

/* A tenant without databases: its HEAD already says all there is to say. */
static bool is_idle(const struct headjob *job)
{
	return job->is_without_databases && job->was_sealed &&
	       job->knew_files == job->head.knows_files && job->known_files == job->head.nfiles;
}

static void run_headjob(void *arg)
{
	struct headjob *job = arg;

	MAGIC_CHECK(job, HEADJOB_MAGIC);
	note_owners(job);
	if (job->seals)
		note_files(job);
	if (job->seals && is_idle(job)) {
		proof_set_open(job->dir, false);
		return;
	}
	if (job->seals)
		remove_left(job);
	job->result =
		head_update(job->store, job->tenant, &job->head, job->until, &job->etag, &job->why);
	if (job->result == 0 && job->has_new_names)
		job->result = proof_save_head(
			job->dir, job->tenant, job->store_url, &job->head, &job->why);
	if (job->result == 0 && job->seals)
		proof_set_open(job->dir, false);
}

static void on_head_done(void *arg)
{
	struct headjob *job = arg;
	struct entry *e = job->entry;

	if (job->result == 0) {
		head_done(&e->head);
		e->head = job->head;
		e->etag = job->etag;
		e->is_offline = false;
		e->prepared = e->head.prepared;
		if (job->seals)
			files_known(e, e->head.nfiles);
	} else {
		e->etag.text[0] = '\0'; /* unknown: the next time starts by reading */
		head_done(&job->head);
	}
	job->done(job->arg, job->result, &job->why);
	MAGIC_END(job, HEADJOB_MAGIC);
	free(job);
}

void headjob_start(struct entry *e, bool seals, headjob_fn *done, void *arg)
{
	struct backup *b = e->b;
	struct headjob *job = xcalloc(1, sizeof(*job));

	MAGIC_CHECK(e, ENTRY_MAGIC);
	*job = (struct headjob){.magic = HEADJOB_MAGIC,
		.entry = e,
		.store = b->store,
		.store_url = b->location.url,
		.dir = e->dir,
		.tenant = entry_id(e),
		.dbs = e->dbs,
		.ndbs = e->ndbs,
		.until = msec_limit(loop_now(b->loop), b->limits.sync_timeout),
		.etag = e->etag,
		.has_new_names = e->is_offline,
		.seals = seals,
		.files_matter = e->files_matter,
		.is_without_databases = !entry_has_backup(e),
		.was_sealed = e->head.is_sealed && !e->is_offline,
		.knew_files = e->head.knows_files,
		.known_files = e->head.nfiles,
		.left_until = (int64_t)time(NULL) - (int64_t)(b->timing.keep_left / 1000),
		.done = done,
		.arg = arg};
	head_copy(&e->head, &job->head);
	job->head.is_sealed = seals;
	job->head.prepared = e->prepared;
	for (size_t i = 0; i < e->ndbs; i++) {
		const struct database *db = &e->dbs[i];

		if (!is_recordable(db))
			continue;
		job->has_new_names |= !head_find(&e->head, db->name);
		head_set(&job->head, db->name, e->head.epoch, db->replica.txid);
	}
	work_run(b->work, run_headjob, on_head_done, job);
}
