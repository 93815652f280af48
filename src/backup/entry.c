/* entry.c - tenants whose databases are in our care, and the operations queued for each. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"

static void free_databases(struct entry *e)
{
	for (size_t i = 0; i < e->ndbs; i++) {
		free(e->dbs[i].name);
		free(e->dbs[i].path);
		free(e->dbs[i].replica.url);
		mirror_done(&e->dbs[i].mirror);
	}
	free(e->dbs);
	e->dbs = NULL;
	e->ndbs = 0;
}

char *entry_database_path(const struct tenant_conf *t, const struct database_conf *db)
{
	return str_starts(db->path, STR("/"))
		       ? str_dup(db->path)
		       : xasprintf(STR_FMT "/" STR_FMT, STR_ARG(t->dir), STR_ARG(db->path));
}

void entry_configure(struct entry *e, const struct tenant_conf *t)
{
	const struct app_conf *app = t->app;

	MAGIC_CHECK(e, ENTRY_MAGIC);
	assert(!e->is_attached);
	free_databases(e);
	free(e->dir);
	e->dir = str_dup(t->dir);
	/* A single application is in its own directory, with whatever links are there. */
	e->base = str_eq(t->dir, app->root) ? NULL : e->dir;
	e->files_matter = app->files == FILES_LOCAL;
	e->dbs = xcalloc(app->ndatabases + 1, sizeof(*e->dbs));
	for (size_t i = 0; i < app->ndatabases; i++) {
		const struct database_conf *conf = &app->databases[i];
		struct database *db = &e->dbs[e->ndbs++];

		db->name = str_dup(conf->name);
		db->path = entry_database_path(t, conf);
		db->has_backup = conf->has_backup;
		db->replica.path = db->path;
	}
}

struct entry *entry_find(const struct backup *b, str id)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	return map_get(&b->entries, id);
}

struct entry *entry_get(struct backup *b, const struct tenant_conf *t)
{
	struct entry *e = entry_find(b, t->id);

	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (e)
		return e;
	e = xcalloc(1, sizeof(*e));
	MAGIC_BEGIN(e, ENTRY_MAGIC);
	e->b = b;
	e->id = str_dup(t->id);
	e->retry_pause = b->timing.first_retry;
	list_init(&e->ops);
	entry_configure(e, t);
	map_put(&b->entries, entry_id(e), e);
	return e;
}

void entry_free(struct entry *e)
{
	map_remove(&e->b->entries, entry_id(e));
	timer_cancel(&e->retry);
	free_databases(e);
	head_done(&e->head);
	free(e->id);
	free(e->dir);
	MAGIC_END(e, ENTRY_MAGIC);
	loop_defer_free(e->b->loop, e);
}

bool entry_has_backup(const struct entry *e)
{
	MAGIC_CHECK(e, ENTRY_MAGIC);
	for (size_t i = 0; i < e->ndbs; i++)
		if (e->dbs[i].has_backup)
			return e->b->store != NULL;
	return false;
}

void files_known(const struct entry *e, uint64_t n)
{
	struct known_files *known = map_get(&e->b->files, entry_id(e));

	MAGIC_CHECK(e, ENTRY_MAGIC);
	if (!known) {
		known = xcalloc(1, sizeof(*known));
		known->id = xstrdup(e->id);
		map_put(&e->b->files, str_of(known->id), known);
	}
	known->n = n;
}

void files_forget_all(struct backup *b)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	map_foreach (it, &b->files) {
		struct known_files *known = it->value;

		free(known->id);
		free(known);
	}
	map_done(&b->files);
}

void entry_set_epoch_urls(struct entry *e)
{
	MAGIC_CHECK(e, ENTRY_MAGIC);
	for (size_t i = 0; i < e->ndbs; i++) {
		struct database *db = &e->dbs[i];
		CLEAN_FREE char *key =
			location_replica_key(entry_id(e), e->head.epoch, str_of(db->name));

		free(db->replica.url);
		db->replica.url = location_replica_url(&e->b->location, key);
	}
}

void entry_begin_epoch(struct database *db, bool is_fresh)
{
	db->replica = (struct replica){.path = db->replica.path, .url = db->replica.url};
	mirror_done(&db->mirror);
	db->registered = (struct identity){0};
	db->verified_txid = 0;
	db->is_settled = db->is_resumed = false;
	db->is_fresh = is_fresh;
}

void entry_attach(struct entry *e)
{
	struct backup *b = e->b;

	MAGIC_CHECK(e, ENTRY_MAGIC);
	if (e->is_attached)
		return;
	e->is_attached = true;
	b->nattached++;
	daemon_hold(b->daemon);
}

void entry_unattach(struct entry *e)
{
	struct backup *b = e->b;

	MAGIC_CHECK(e, ENTRY_MAGIC);
	if (!e->is_attached)
		return;
	e->is_attached = false;
	daemon_drop(b->daemon);
	b->nattached--;
	ageing_check(b);
}

/* The next restore will find out again all that is known of it. */
static bool is_forgettable(const struct entry *e)
{
	return !e->running && list_is_empty(&e->ops) && !e->is_attached && !e->is_pending &&
	       !e->head.epoch;
}

static void start_op(void *arg)
{
	struct op *op = arg;

	MAGIC_CHECK(op, OP_MAGIC);
	if (op->entry->b->stop.is_stopping || op->is_cancelled)
		op_fail(op, OP_GAVE_WAY);
	else
		op->start(op);
}

static void start_next(struct entry *e)
{
	if (e->running || list_is_empty(&e->ops))
		return;
	e->running = list_first(&e->ops, struct op, node);
	list_remove(&e->running->node);
	loop_defer(e->b->loop, start_op, e->running);
}

void op_add(struct entry *e, struct op *take_op)
{
	MAGIC_CHECK(e, ENTRY_MAGIC);
	MAGIC_CHECK(take_op, OP_MAGIC);
	take_op->entry = e;
	list_init(&take_op->node);
	list_append(&e->ops, &take_op->node);
	e->b->nops++;
	if (e->running && e->running->is_background && !take_op->is_background)
		op_cancel(e->running);
	start_next(e);
}

void op_cancel(struct op *op)
{
	MAGIC_CHECK(op, OP_MAGIC);
	if (op->is_cancelled)
		return;
	op->is_cancelled = true;
	op->cancel(op);
}

void op_finish(struct op *op, const struct backup_result *result)
{
	struct entry *e = op->entry;
	struct backup *b = e->b;
	backup_fn *done = op->done;
	void *arg = op->arg;

	MAGIC_CHECK(op, OP_MAGIC);
	MAGIC_CHECK(e, ENTRY_MAGIC);
	assert(e->running == op && list_is_empty(&op->node));
	assert(b->nops);
	e->running = NULL;
	b->nops--;
	if (op->free)
		op->free(op);
	MAGIC_END(op, OP_MAGIC);
	loop_defer_free(b->loop, op);
	start_next(e);
	if (is_forgettable(e))
		entry_free(e);
	if (done)
		done(arg, result);
	if (!b->nops && !b->nattached)
		timer_cancel(&b->watchdog.timer);
	backup_stop_advance(b);
}

void op_fail(struct op *op, const char *why)
{
	struct backup_result result = {0};

	MAGIC_CHECK(op, OP_MAGIC);
	snprintf(result.reason, sizeof(result.reason), "%s", why);
	op_finish(op, &result);
}

void op_succeed(struct op *op)
{
	MAGIC_CHECK(op, OP_MAGIC);
	op_finish(op, &(struct backup_result){.is_ok = true});
}
