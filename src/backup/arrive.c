/* arrive.c - the last step of a restore: what came is checked, put in its place, and recorded as
 * proven. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/leftovers.h"
#include "backup/sound.h"
#include "base/alloc.h"
#include "base/file.h"

/* Litestream reports what is missing and what it cannot reach in the same way. */
static void explain(struct plan *p, struct plan_database *db)
{
	CLEAN_FREE char *key = location_replica_key(p->tenant, db->epoch, str_of(db->name));
	CLEAN_FREE char *prefix = xasprintf("%s/", key);
	struct why words = db->why;
	bool has = false;

	if (store_has(p->store, prefix, MIN(p->until, clock_now() + 5000), &has, &p->why) < 0)
		why_set(&p->why, "%s could not be restored: %s (%s)", db->name, words.text,
			p->why.text);
	else if (has)
		why_set(&p->why, "%s could not be restored: %s", db->name, words.text);
	else
		why_set(&p->why,
			"the replica of %s is missing in the store (%s/%s), but the record HEAD names it; "
			"an empty database is not put in its place",
			db->name, p->store_url, key);
}

static int check_arrival(struct plan *p, struct plan_database *db, const char *path)
{
	struct why why;

	if (!db->has_come) {
		explain(p, db);
		return -ENODATA;
	}
	if (db->came_txid < db->txid) {
		why_set(&p->why,
			"the store has %s up to transaction %llu, but %llu was confirmed: an upload was lost",
			db->name, (unsigned long long)db->came_txid, (unsigned long long)db->txid);
		return -ENODATA;
	}
	if (sound_check(path, false, &p->notes, &why) < 0) {
		why_set(&p->why, "%s was restored damaged: %s", db->name, why.text);
		return -EUCLEAN;
	}
	return 0;
}

/* As it was; only root may give a database to another user.  What cannot be restored is reported:
 * whether it can live with that, the application knows better than we do. */
static void give_to_owner(struct plan *p, const struct plan_database *db, int dir, const char *rest)
{
	const struct record_owner *owner = &db->owner;
	int r = 0;

	if (!owner->is_known)
		return;
	if (geteuid() == 0)
		r = file_give(dir, rest, S_IFREG, owner->uid, owner->gid);
	if (r < 0)
		buf_printf(&p->notes,
			"%s" PLAN_SUFFIX " cannot be given to user %u, group %u again: %s\n",
			db->path, (unsigned)owner->uid, (unsigned)owner->gid, strerror(-r));
	r = file_set_mode(dir, rest, S_IFREG, owner->mode);
	if (r < 0)
		buf_printf(&p->notes, "%s" PLAN_SUFFIX " cannot have its mode %04o again: %s\n",
			db->path, (unsigned)owner->mode, strerror(-r));
}

static int settle(struct plan *p, struct plan_database *db, const char *path)
{
	CLEAN_FD int dir = -1;
	const char *from, *to;
	int r = file_open_base(p->base, path, &dir, &from);

	if (r == 0) {
		to = db->path + (from - path); /* both are below the same */
		give_to_owner(p, db, dir, from);
		r = file_replace(dir, from, to);
	}
	if (r < 0)
		why_set(&p->why, "cannot put %s in its place: %s", db->path, strerror(-r));
	return r;
}

static int arrive(struct plan *p, struct plan_database *db)
{
	CLEAN_FREE char *path = xasprintf("%s" PLAN_SUFFIX, db->path);
	int r = check_arrival(p, db, path);

	return r < 0 ? r : settle(p, db, path);
}

void plan_finish(void *plan)
{
	struct plan *p = plan;
	int r = 0;

	for (size_t i = 0; i < p->ndbs; i++)
		if (p->dbs[i].is_restored && r == 0)
			r = arrive(p, &p->dbs[i]);
	if (r == 0)
		r = proof_save_head(p->dir, p->tenant, p->store_url, &p->head, &p->why);
	for (size_t i = 0; i < p->ndbs && r < 0; i++)
		if (p->dbs[i].is_restored)
			leftovers_clear_restore(p->base, p->dbs[i].path);
	if (r == 0)
		proof_set_open(p->dir, true);
	p->result = r;
}
