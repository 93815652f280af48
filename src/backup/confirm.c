/* confirm.c - observe, renew, sync, compare: in this order, as often as it takes. */
/* SPDX-License-Identifier: MIT */
#include "backup/confirm.h"

#include <signal.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"

#define MAX_RENEWALS 2u
#define MAX_LOSSES   5u

static void free_confirm(struct confirm *c)
{
	for (size_t i = 0; i < c->nparts; i++) {
		free(c->parts[i].key);
		mirror_done(&c->parts[i].look.mirror);
		pages_done(&c->parts[i].live);
		touched_done(&c->parts[i].touched);
	}
	free(c->parts);
	tasks_done(&c->tasks);
	buf_done(&c->copy_out);
	timer_cancel(&c->copy_limit);
	MAGIC_END(c, CONFIRM_MAGIC);
	loop_defer_free(c->entry->b->loop, c);
}

static void finish_confirm(struct confirm *c, int result)
{
	confirm_fn *done = c->done;
	void *arg = c->arg;
	struct why why = c->why;

	free_confirm(c);
	done(arg, result, &why);
}

void confirm_succeed(struct confirm *c)
{
	MAGIC_CHECK(c, CONFIRM_MAGIC);
	finish_confirm(c, 0);
}

void confirm_fail(struct confirm *c, const char *why)
{
	MAGIC_CHECK(c, CONFIRM_MAGIC);
	why_set(&c->why, "%s", c->is_cancelled ? OP_GAVE_WAY : why);
	finish_confirm(c, c->renewal.result == -EUCLEAN ? -EUCLEAN : -EIO);
}

void confirm_work(struct confirm *c, loop_fn *run, loop_fn *done)
{
	MAGIC_CHECK(c, CONFIRM_MAGIC);
	work_run(c->entry->b->work, run, done, c);
}

static void name_parts(struct confirm *c)
{
	struct entry *e = c->entry;

	for (size_t i = 0; i < c->nparts; i++) {
		free(c->parts[i].key);
		c->parts[i].key = location_replica_key(
			entry_id(e), e->head.epoch, str_of(c->parts[i].db->name));
	}
}

/* --- observe --- */

static void renew_for(struct confirm *c, const struct confirm_part *part, const char *why)
{
	log_info("tenant %s: %s: %s: a new epoch begins with a whole copy", c->entry->id,
		part->db->name, why);
	why_set(&c->why, "%s: %s", part->db->name, why);
	confirm_renew(c);
}

static void observe_all(struct confirm *c);

static void run_observe(void *arg)
{
	struct confirm *c = arg;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	for (size_t i = 0; i < c->nparts; i++)
		observe_database(&c->parts[i].look);
}

static void take_seal(struct confirm_part *part)
{
	struct database *db = part->db;

	if (!part->look.has_seal)
		return;
	mirror_done(&db->mirror);
	db->mirror = part->look.mirror;
	part->look.mirror = (struct mirror){0};
	db->verified_txid = db->mirror.txid;
	db->verified = part->look.now;
}

static void take_observation(struct confirm *c, struct confirm_part *part)
{
	struct database *db = part->db;

	take_seal(part);
	if ((!part->look.is_known || part->look.is_continued) && !db->is_fresh &&
		part->look.now.wal_size) {
		db->is_resumed = true;
		memcpy(db->resumed_salt, part->look.now.wal_salt, sizeof(db->resumed_salt));
	}
	if (!part->look.is_known || !db->registered.inode) {
		db->registered = part->look.now;
		db->verified_at = loop_now(c->entry->b->loop);
	}
	if (part->look.is_continued) {
		db->replica.registered_in = 0;
		db->replica.is_confirmed = false;
	}
}

static void on_observed(void *arg)
{
	struct confirm *c = arg;
	const struct confirm_part *missed = NULL;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	for (size_t i = 0; i < c->nparts; i++)
		if (c->parts[i].look.result == OBSERVED_NOT)
			missed = &c->parts[i];
	if (c->is_cancelled) {
		confirm_fail(c, "");
	} else if (missed && c->kind == CONFIRM_WAKE && c->entry->is_offline) {
		confirm_fail(c, missed->look.why.text); /* when the store is there again */
	} else if (missed) {
		renew_for(c, missed, missed->look.why.text);
	} else {
		for (size_t i = 0; i < c->nparts; i++)
			take_observation(c, &c->parts[i]);
		confirm_sync(c);
	}
}

static void prepare_look(struct confirm *c, struct confirm_part *part)
{
	const struct entry *e = c->entry;
	const struct database *db = part->db;
	const struct record_database *named = head_find(&e->head, db->name);
	uint64_t known_in = db->replica.registered_in;

	mirror_done(&part->look.mirror);
	part->look = (struct observation){.path = db->path,
		.epoch = e->head.epoch,
		.is_known = known_in != 0,
		.is_fresh = db->is_fresh,
		.is_settled = db->is_settled,
		.is_unnamed = !named && !e->is_offline,
		.is_offline = e->is_offline,
		.is_sealed = e->head.is_sealed && named && named->epoch == e->head.epoch,
		.txid = named ? named->txid : 0,
		.is_continued = known_in && known_in != daemon_generation(e->b->daemon),
		.registered = db->registered,
		.verified = db->verified,
		.stop = &c->stop};
}

static void observe_all(struct confirm *c)
{
	for (size_t i = 0; i < c->nparts; i++) {
		c->parts[i].has_live = false;
		prepare_look(c, &c->parts[i]);
	}
	confirm_work(c, run_observe, on_observed);
}

/* --- renew --- */

static void run_renew(void *arg)
{
	struct confirm *c = arg;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	renew_epoch(&c->renewal);
}

static void take_renewal(struct confirm *c)
{
	struct entry *e = c->entry;

	head_done(&e->head);
	e->head = c->renewal.head;
	e->etag = c->renewal.etag;
	e->is_offline = false;
	entry_set_epoch_urls(e);
	for (size_t i = 0; i < e->ndbs; i++)
		entry_begin_epoch(&e->dbs[i], true);
	name_parts(c);
}

static void on_renewed(void *arg)
{
	struct confirm *c = arg;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	free((void *)(uintptr_t)c->renewal.paths);
	if (c->renewal.result < 0) {
		c->entry->etag.text[0] = '\0';
		head_done(&c->renewal.head);
		why_set(&c->why, "no new epoch can be begun: %s", c->renewal.why.text);
		confirm_fail(c, c->why.text);
		return;
	}
	take_renewal(c);
	observe_all(c);
}

static void start_renewal(struct confirm *c)
{
	struct entry *e = c->entry;
	struct backup *b = e->b;
	char **paths = xcalloc(c->nparts + 1, sizeof(*paths));

	for (size_t i = 0; i < c->nparts; i++)
		paths[i] = c->parts[i].db->path;
	c->renewal = (struct renewal){.store = b->store,
		.store_url = b->location.url,
		.dir = e->dir,
		.base = e->base,
		.tenant = entry_id(e),
		.paths = paths,
		.npaths = c->nparts,
		.is_offline = e->is_offline,
		.until = msec_limit(loop_now(b->loop), b->limits.sync_timeout),
		.etag = e->etag};
	head_copy(&e->head, &c->renewal.head);
	/* What was confirmed in this epoch can still be restored. */
	for (size_t i = 0; i < c->nparts; i++) {
		const struct database *db = c->parts[i].db;

		if (db->replica.confirmed_at)
			head_set(&c->renewal.head, db->name, e->head.epoch,
				db->replica.replicated_txid);
	}
	confirm_work(c, run_renew, on_renewed);
}

/* Whether the release went well does not matter, as long as Litestream no longer knows any of
 * them. */
static void on_let_go(void *arg, bool is_ok)
{
	struct confirm *c = arg;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	bool is_known = false;

	(void)is_ok;
	for (size_t i = 0; i < c->nparts; i++)
		is_known |= c->parts[i].db->replica.registered_in != 0;
	if (is_known || c->is_cancelled)
		confirm_fail(c, c->tasks.why.text);
	else
		start_renewal(c);
}

void confirm_renew(struct confirm *c)
{
	struct backup *b = c->entry->b;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	if (c->renewals++ == MAX_RENEWALS) {
		confirm_fail(c, c->why.text);
		return;
	}
	tasks_start(&c->tasks, c->entry, TASK_RELEASE,
		msec_limit(loop_now(b->loop), b->limits.sync_timeout), false, on_let_go, c);
}

/* --- sync --- */

/* From now on Litestream has files of its own for it. */
static void note_registered(struct confirm *c)
{
	for (size_t i = 0; i < c->nparts; i++) {
		struct database *db = c->parts[i].db;

		if (!db->replica.registered_in)
			continue;
		db->is_fresh = false;
		db->is_settled = false;
		/* Where Litestream has a database open, SQLite leaves its WAL alone. */
		if (db->replica.is_confirmed && db->registered.inode)
			identity_note_wal(&db->registered, db->path);
	}
}

/* Between our look and its own, a running application may have restarted the WAL: then Litestream
 * has not seen what was written before.  The first such database, or NULL. */
static struct confirm_part *find_gap(struct confirm *c)
{
	struct confirm_part *gap = NULL;

	for (size_t i = 0; i < c->nparts; i++) {
		struct database *db = c->parts[i].db;
		struct identity now = {0};

		if (!db->is_resumed || !db->replica.is_confirmed)
			continue;
		db->is_resumed = false;
		if (identity_look_at_wal(db->path, &now) < 0 ||
			memcmp(now.wal_salt, db->resumed_salt, sizeof(now.wal_salt)) != 0)
			gap = &c->parts[i];
	}
	return gap;
}

static bool is_comparing(const struct confirm *c)
{
	for (size_t i = 0; i < c->nparts; i++)
		if (c->parts[i].has_live)
			return true;
	return false;
}

static void on_confirm_synced(void *arg, bool is_ok)
{
	struct confirm *c = arg;
	const struct confirm_part *gap = is_ok ? find_gap(c) : NULL;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	note_registered(c);
	if (c->is_cancelled) {
		confirm_fail(c, "");
	} else if (gap) {
		renew_for(c, gap, "its WAL began anew before Litestream had seen it");
	} else if (!is_ok && c->tasks.is_lost && c->kind != CONFIRM_WAKE &&
		   c->losses++ < MAX_LOSSES) {
		observe_all(c);
	} else if (!is_ok) {
		confirm_fail(c, c->tasks.why.text);
	} else if (is_comparing(c)) {
		verify_finish(c);
	} else if (c->kind == CONFIRM_WAKE || !verify_start(c)) {
		confirm_succeed(c);
	}
}

void confirm_sync(struct confirm *c)
{
	const struct entry *e = c->entry;
	bool registers = c->kind == CONFIRM_WAKE && e->is_offline;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	tasks_start(&c->tasks, c->entry, registers ? TASK_REGISTER : TASK_SYNC, c->until,
		c->kind == CONFIRM_WAKE, on_confirm_synced, c);
}

/* --- all of it --- */

static void on_nothing(void *arg)
{
	confirm_succeed(arg);
}

struct confirm *confirm_start(
	struct entry *e, enum confirm_kind kind, msec until, confirm_fn *done, void *arg)
{
	struct confirm *c = xcalloc(1, sizeof(*c));

	MAGIC_CHECK(e, ENTRY_MAGIC);
	*c = (struct confirm){.magic = CONFIRM_MAGIC,
		.entry = e,
		.kind = kind,
		.until = until,
		.done = done,
		.arg = arg};
	c->parts = xcalloc(e->ndbs + 1, sizeof(*c->parts));
	for (size_t i = 0; i < e->ndbs; i++)
		if (e->dbs[i].has_backup)
			c->parts[c->nparts++].db = &e->dbs[i];
	name_parts(c);
	if (c->nparts)
		observe_all(c);
	else
		loop_defer(e->b->loop, on_nothing, c);
	return c;
}

void confirm_cancel(struct confirm *c)
{
	if (!c || c->is_cancelled)
		return;
	c->is_cancelled = true;
	atomic_store(&c->stop, true);
	tasks_cancel(&c->tasks, OP_GAVE_WAY);
	if (c->copying)
		process_signal(c->copying, SIGKILL);
}
