/* plan.c - may the local databases be used, must they be restored, or does this tenant begin
 * here? */
/* SPDX-License-Identifier: MIT */
#include "backup/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/beside.h"
#include "backup/leftovers.h"
#include "base/alloc.h"
#include "base/file.h"

#define ANSWER_LIMIT 8000u /* msec for the store to answer one question */
#define MAX_TURNS    3	   /* when another writer changes HEAD at the same time */

static msec answer_until(const struct plan *p)
{
	return MIN(p->until, clock_now() + ANSWER_LIMIT);
}

static int plan_fail(struct plan *p, const char *what, const char *path, int error)
{
	why_set(&p->why, "cannot %s %s: %s", what, path, strerror(-error));
	return error;
}

/* The proof counts only for the store that is configured. */
static bool load_proof(const struct plan *p, struct proof *proof)
{
	if (proof_load(p->dir, p->tenant, proof) < 0)
		return false;
	if (strcmp(proof->store, p->store_url) == 0)
		return true;
	proof_done(proof);
	return false;
}

static int look_at_tenant(struct plan *p)
{
	int r = file_make_dirs(FILE_GIVEN, p->dir, 0755);

	if (r < 0)
		return plan_fail(p, "make", p->dir, r);
	for (size_t i = 0; i < p->ndbs; i++) {
		struct plan_database *db = &p->dbs[i];

		db->local = leftovers_look(db->path);
		db->is_restored = false;
		if (db->local == LOCAL_ALIEN && db->has_backup) {
			why_set(&p->why,
				"%s is no SQLite database; move it away to have the last backup",
				db->path);
			return -EINVAL;
		}
	}
	return 0;
}

static int clear_leftovers(struct plan *p, uint64_t epoch)
{
	for (size_t i = 0; i < p->ndbs; i++) {
		int r;

		leftovers_clear_restore(p->base, p->dbs[i].path);
		r = leftovers_clear_orphans(p, epoch, p->dbs[i].path);
		if (r < 0)
			return plan_fail(p, "set aside what is left of", p->dbs[i].path, r);
	}
	return 0;
}

/* The new epoch starts with a snapshot of what is here. */
static int forget_replicas(struct plan *p)
{
	for (size_t i = 0; i < p->ndbs; i++) {
		int r = p->dbs[i].has_backup ? leftovers_forget_replica(p->base, p->dbs[i].path)
					     : 0;

		if (r < 0)
			return plan_fail(p, "clear Litestream's state of", p->dbs[i].path, r);
	}
	return 0;
}

static bool has_any_database(const struct plan *p)
{
	for (size_t i = 0; i < p->ndbs; i++)
		if (p->dbs[i].has_backup && p->dbs[i].local == LOCAL_PRESENT)
			return true;
	return false;
}

/* The store is silent.  With a proof, and with everything here that was ever confirmed, the tenant
 * may be served: this is where its last owner left it. */
static int plan_offline(struct plan *p)
{
	struct proof proof = {0};
	struct why silence = p->why;
	bool is_proven = load_proof(p, &proof);
	const char *missing = NULL;
	int r = -EIO;

	for (size_t i = 0; i < p->ndbs && is_proven; i++)
		if (p->dbs[i].has_backup && p->dbs[i].local != LOCAL_PRESENT &&
			proof_names(&proof, p->dbs[i].name))
			missing = p->dbs[i].name;
	if (is_proven && !missing) {
		p->head.epoch = proof.epoch;
		p->is_offline = true;
		buf_printf(&p->notes, "served without the store, from the files here: %s\n",
			silence.text);
		r = clear_leftovers(p, proof.epoch);
	} else if (missing) {
		why_set(&p->why,
			"the database %s must be restored, but the store gives no answer: %s",
			missing, silence.text);
	} else {
		why_set(&p->why,
			"the store gives no answer, and nothing here proves that these are the latest "
			"databases: %s",
			silence.text);
	}
	proof_done(&proof);
	return r;
}

/* Epochs are eight hexadecimal digits; the first is 0 for the next two hundred million restores. */
static int check_nothing_there(struct plan *p)
{
	struct buf prefix = {0};
	bool has = false;
	int r;

	location_add_key(&prefix, p->tenant);
	buf_add(&prefix, (str){"/0", 3}); /* with its NUL */
	r = store_has(p->store, prefix.p + prefix.start, answer_until(p), &has, &p->why);
	if (r == 0 && has) {
		why_set(&p->why,
			"the store has backups under %s/%s but no record HEAD there; put it back, or move "
			"them away to begin anew",
			p->store_url, prefix.p + prefix.start);
		r = -EEXIST;
	}
	buf_done(&prefix);
	return r;
}

static uint64_t count_files(const struct plan *p, uint64_t enough)
{
	CLEAN_FREE const char **paths = xcalloc(p->ndbs + 1, sizeof(*paths));

	for (size_t i = 0; i < p->ndbs; i++)
		paths[i] = p->dbs[i].path;
	return beside_count(&(struct beside){p->dir, paths, p->ndbs}, enough);
}

/* The store answered that it has never heard of this tenant. */
static int plan_birth(struct plan *p)
{
	struct proof proof = {0};
	uint64_t epoch = load_proof(p, &proof) ? proof.epoch + 1 : 1;
	int r;

	proof_done(&proof);
	if (!p->may_change) {
		p->needs_change = true;
		return 0;
	}
	r = check_nothing_there(p);
	if (r == 0)
		r = clear_leftovers(p, epoch);
	if (r == 0)
		r = forget_replicas(p);
	if (r < 0)
		return r;
	p->is_new = !has_any_database(p);
	p->nfiles = p->files_matter ? count_files(p, BESIDE_ENOUGH) : 0;
	if (epoch > 1)
		buf_printf(&p->notes,
			"the store has lost its backup; it begins again at epoch %llu with the "
			"databases here\n",
			(unsigned long long)epoch);
	else if (!p->is_new)
		buf_printf(&p->notes,
			"the databases that are here become the first of their backup\n");
	p->is_changed = true;
	p->head.epoch = epoch;
	p->etag.text[0] = '\0';
	return head_save(p->store, p->tenant, &p->head, answer_until(p), &p->etag, &p->why);
}

static int has_replica(struct plan *p, uint64_t epoch, const char *name, bool *ret)
{
	CLEAN_FREE char *key = location_replica_key(p->tenant, epoch, str_of(name));
	CLEAN_FREE char *prefix = xasprintf("%s/", key);

	return store_has(p->store, prefix, answer_until(p), ret, &p->why);
}

/* From where a database would be restored: HEAD says it, but what the present epoch has is newer
 * than what HEAD names in an older one (Litestream may have written more than was recorded). */
static int find_source(struct plan *p, struct plan_database *db)
{
	const struct record_database *named = head_find(&p->head, db->name);
	bool has = false;
	int r = 0;

	if (!named || named->epoch != p->head.epoch)
		r = has_replica(p, p->head.epoch, db->name, &has);
	if (r < 0)
		return r;
	db->is_restored = named || has;
	db->epoch = has || !named ? p->head.epoch : named->epoch;
	db->txid = has || !named ? 0 : named->txid;
	db->owner = named ? named->owner : (struct record_owner){0};
	return 0;
}

static int find_sources(struct plan *p, bool is_proven, size_t *ret_count)
{
	size_t count = 0;

	for (size_t i = 0; i < p->ndbs; i++) {
		struct plan_database *db = &p->dbs[i];
		int r;

		if (!db->has_backup || (is_proven && db->local == LOCAL_PRESENT))
			continue;
		r = find_source(p, db);
		if (r < 0)
			return r;
		count += db->is_restored;
	}
	*ret_count = count;
	return 0;
}

static int clear_place(const struct plan *p, const struct plan_database *db)
{
	CLEAN_FD int dir = -1;
	const char *rest;
	int r = file_open_base(p->base, db->path, &dir, &rest);

	if (r == 0 && db->local == LOCAL_EMPTY)
		r = file_remove(dir, rest);
	return r < 0 ? r : file_make_parents(dir, rest, 0755);
}

/* What is here and will be restored belongs to an earlier life; a database that the store has no
 * replica of stays. */
static int make_room_for_restore(struct plan *p, uint64_t local_epoch)
{
	int r = clear_leftovers(p, local_epoch);

	for (size_t i = 0; i < p->ndbs && r == 0; i++) {
		struct plan_database *db = &p->dbs[i];

		if (!db->is_restored)
			continue;
		if (db->local == LOCAL_PRESENT)
			r = leftovers_set_aside(p, local_epoch, db->path);
		else
			r = clear_place(p, db);
		if (r < 0)
			return plan_fail(p, "make room for", db->path, r);
	}
	return r < 0 ? r : forget_replicas(p);
}

/* First the epoch, then the files: the previous owner, if it still runs, now writes where nobody
 * reads. */
static int take_epoch(struct plan *p)
{
	for (size_t i = 0; i < p->ndbs; i++)
		if (p->dbs[i].is_restored)
			head_set(&p->head, p->dbs[i].name, p->dbs[i].epoch, p->dbs[i].txid);
	head_leave(&p->head, p->head.epoch, (int64_t)time(NULL));
	p->head.epoch++;
	p->head.is_sealed = false;
	p->is_changed = true;
	return head_save(p->store, p->tenant, &p->head, answer_until(p), &p->etag, &p->why);
}

static int refuse_older_store(struct plan *p, uint64_t local_epoch)
{
	why_set(&p->why,
		"the store is at epoch %llu, the databases here are at %llu: the store was put back to an "
		"older state; to go on from it, remove %s/" RECORD_FILE
		" (the databases here will be set aside)",
		(unsigned long long)p->head.epoch, (unsigned long long)local_epoch, p->dir);
	return -EINVAL;
}

/* A tenant that has lost its files with the disk is not the same tenant, although its databases
 * come back. */
static int miss_files(struct plan *p)
{
	if (!p->files_matter || !p->head.nfiles || count_files(p, 1))
		return 0;
	why_set(&p->why,
		"%llu%s file%s that it kept beside its databases %s not here, and files are not "
		"backed up: put them back into its directory, or say `files: none` to go on without "
		"them",
		(unsigned long long)p->head.nfiles,
		p->head.nfiles >= BESIDE_ENOUGH ? " or more" : "", p->head.nfiles == 1 ? "" : "s",
		p->head.nfiles == 1 ? "is" : "are");
	return -ENODATA;
}

static int plan_known(struct plan *p)
{
	struct proof proof = {0};
	bool is_here = load_proof(p, &proof), is_proven = is_here && proof_holds(&proof, &p->head);
	uint64_t local_epoch = is_proven ? p->head.epoch : is_here ? proof.epoch : 0;
	size_t count = 0;
	int r = find_sources(p, is_proven, &count);

	/* A renewal that did not live to record its success; if another writer wrote HEAD, it would
	 * not show any more. */
	if (r == 0 && is_proven && proof.epoch != p->head.epoch)
		r = proof_save_head(p->dir, p->tenant, p->store_url, &p->head, &p->why);
	proof_done(&proof);
	if (r < 0)
		return r;
	if (local_epoch > p->head.epoch)
		return refuse_older_store(p, local_epoch);
	p->nfiles = p->head.nfiles;
	if (is_proven && count == 0)
		return clear_leftovers(p, local_epoch);
	/* Its owner is told to give it up, and does as soon as everything is in the store. */
	if (!is_proven && !p->has_waited && head_holder(&p->head)) {
		p->must_wait = true;
		return 0;
	}
	r = is_proven ? 0 : miss_files(p);
	if (r < 0)
		return r;
	if (!p->may_change) {
		p->needs_change = true;
		return 0;
	}
	p->is_new = count == 0 && p->head.ndatabases == 0 && !has_any_database(p);
	r = make_room_for_restore(p, local_epoch);
	if (r == 0 && is_proven)
		r = proof_announce(p->dir, p->tenant, local_epoch, &p->why);
	if (r == 0)
		r = take_epoch(p);
	/* What is here remains the latest, whatever becomes of the restores. */
	if (r == 0 && is_proven)
		r = proof_save_head(p->dir, p->tenant, p->store_url, &p->head, &p->why);
	return r;
}

static int plan_once(struct plan *p)
{
	int r = look_at_tenant(p);

	if (r < 0)
		return r;
	if (!p->store)
		return clear_leftovers(p, 0);
	head_done(&p->head);
	r = head_load(p->store, p->tenant, answer_until(p), &p->head, &p->etag, &p->why);
	if (r == -EIO)
		return plan_offline(p);
	if (r == -ENOENT)
		return plan_birth(p);
	return r < 0 ? r : plan_known(p);
}

void plan_make(void *plan)
{
	struct plan *p = plan;
	int r = -ESTALE;

	p->needs_change = p->must_wait = false;
	for (int i = 0; i < MAX_TURNS && r == -ESTALE; i++)
		r = plan_once(p);
	if (r == 0 && p->store && !p->needs_change && !p->must_wait && !p->is_changed)
		proof_set_open(p->dir, true);
	if (r == -ESTALE)
		why_set(&p->why, "somebody else takes " STR_FMT " at the same time",
			STR_ARG(p->tenant));
	p->result = r;
}

void plan_done(struct plan *p)
{
	head_done(&p->head);
	buf_done(&p->notes);
	free(p->dbs);
}
