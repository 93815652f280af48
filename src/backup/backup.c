/* backup.c - the backup as one object: made from the configuration, asked by the supervisor,
 * stopped at the end. */
/* SPDX-License-Identifier: MIT */
#include "backup/backup.h"

#include <stdio.h>
#include <stdlib.h>

#include "backup/backup_int.h"
#include "backup/beside.h"
#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"

#define MAX_THREADS   16u
#define VERSION_LIMIT 5000u /* msec */

static const struct backup_timing usual_timing = {
	.linger = 60000,
	.watch_period = 30000,
	.stall_limit = 60000,
	.first_retry = 1000,
	.longest_retry = 60000,
	.keep_left = 72 * 3600 * 1000,
	.max_released = 2000, /* each leaks a descriptor and some 50 KB */
	.tries_program = true,
};

static void on_daemon_ready(void *arg)
{
	struct backup *b = arg;

	MAGIC_CHECK(b, BACKUP_MAGIC);
	/* A new one knows nothing: what is attached is registered by the next look, which is due
	 * now. */
	registry_ready(&b->registry);
	map_foreach (it, &b->entries) {
		struct entry *e = it->value;

		if (e->is_attached && !e->is_pending && !e->running)
			op_add(e, attach_op(true));
	}
}

static void on_daemon_lost(void *arg)
{
	struct backup *b = arg;

	MAGIC_CHECK(b, BACKUP_MAGIC);
	registry_lost(&b->registry);
}

/* Some tenant has used it from here, so the URL is not a mistake. */
static bool is_known_store(const struct config *conf, const char *url)
{
	bool is_known = false;

	for (size_t i = 0; i < conf->ntenants && !is_known; i++) {
		const struct tenant_conf *t = &conf->tenants[i];
		CLEAN_FREE char *dir = str_dup(t->dir);
		struct proof proof = {0};

		if (proof_load(dir, t->id, &proof) < 0)
			continue;
		is_known = strcmp(proof.store, url) == 0;
		proof_done(&proof);
	}
	return is_known;
}

/* A directory that does not exist, or is not writable, is a mistake in the configuration, unless it
 * was our store before: then it is a store that does not answer, and tenants whose files are proven
 * are served, as with a bucket. */
static int prepare_store(struct backup *b, const struct config *conf, char **ret_reason)
{
	struct why why;

	if (store_prepare(b->store, &why) == 0)
		return 0;
	if (!is_known_store(conf, b->location.url)) {
		*ret_reason = xasprintf("backup.url: %s: %s", b->location.url, why.text);
		return -EINVAL;
	}
	log_error("backup.url: %s: %s; tenants are served where their files here are proven",
		b->location.url, why.text);
	return 0;
}

static int open_store(struct backup *b, const struct config *conf, str run_dir, char **ret_reason)
{
	CLEAN_FREE char *version = NULL;
	struct daemon_spec spec;
	int r;

	if (location_parse(&conf->backup, &b->location, ret_reason) < 0 ||
		program_find(conf->backup.program, &b->program, ret_reason) < 0 ||
		program_check(b->program, VERSION_LIMIT, &version, ret_reason) < 0)
		return -EINVAL;
	b->store = store_new(&b->location, b->work, ret_reason);
	if (!b->store || prepare_store(b, conf, ret_reason) < 0)
		return -EINVAL;
	b->env = program_env(&b->location);
	r = program_keys_open(&b->location, &b->keys_fd);
	if (r < 0) {
		*ret_reason = xasprintf("cannot keep the keys for Litestream: %s", strerror(-r));
		return r;
	}
	spec = (struct daemon_spec){.loop = b->loop,
		.program = b->program,
		.env = b->env,
		.keys_fd = b->keys_fd,
		.run_dir = run_dir,
		.linger = b->timing.linger,
		.on_ready = on_daemon_ready,
		.on_lost = on_daemon_lost,
		.arg = b};
	b->daemon = daemon_new(&spec, ret_reason);
	b->registry.daemon = b->daemon;
	if (b->daemon && b->timing.tries_program)
		probation_start(b, conf, run_dir, version);
	return b->daemon ? 0 : -EINVAL;
}

struct backup *backup_new_timed(struct loop *l, const struct config *conf, str run_dir,
	const struct backup_timing *timing, char **ret_reason)
{
	struct backup *b = xcalloc(1, sizeof(*b));

	MAGIC_BEGIN(b, BACKUP_MAGIC);
	b->loop = l;
	b->timing = *timing;
	b->keys_fd = -1;
	b->work = work_new(l, MAX_THREADS);
	list_init(&b->restoring.waiting);
	list_init(&b->catchup.waiting);
	list_init(&b->awaits);
	registry_init(&b->registry, l);
	backup_configure(b, conf);
	record_name_machine(conf->target == TARGET_NONE ? STR_EMPTY : conf->our_machine);
	if (!conf->backup.url.n || open_store(b, conf, run_dir, ret_reason) == 0)
		return b;
	backup_free(b);
	return NULL;
}

struct backup *backup_new(struct loop *l, const struct config *conf, str run_dir, char **ret_reason)
{
	return backup_new_timed(l, conf, run_dir, &usual_timing, ret_reason);
}

void backup_on_refused(struct backup *b, backup_fn *refused, void *arg)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	b->refused.on_refused = refused;
	b->refused.arg = arg;
}

/* Everything else needs a restart. */
void backup_configure(struct backup *b, const struct config *conf)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	b->limits.restore_timeout = conf->backup.restore_timeout;
	b->limits.sync_timeout = conf->backup.sync_timeout;
	b->limits.verify_interval = conf->backup.verify_interval;
	b->limits.max_restores = (unsigned)MAX(conf->backup.max_restores, 1);
}

static void start_entry_op(struct entry *e, struct op *take_op, backup_fn *done, void *arg)
{
	e->is_asked = true;
	take_op->done = done;
	take_op->arg = arg;
	watchdog_start(e->b);
	op_add(e, take_op);
}

static void start_op(struct backup *b, const struct tenant_conf *t, struct op *take_op,
	backup_fn *done, void *arg)
{
	start_entry_op(entry_get(b, t), take_op, done, arg);
}

void backup_restore(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg)
{
	struct entry *e = entry_get(b, t);

	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (!e->is_attached && !e->running)
		entry_configure(e, t);
	start_op(b, t, restore_op(false), done, arg);
}

void backup_release(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	start_op(b, t, release_op(false), done, arg);
}

bool backup_abandon(struct backup *b, str id, backup_fn *done, void *arg)
{
	struct entry *e = entry_find(b, id);

	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (e)
		start_entry_op(e, release_op(true), done, arg);
	return e != NULL;
}

uint64_t backup_prepared(const struct backup *b, const struct tenant_conf *t)
{
	const struct entry *e = entry_find(b, t->id);

	MAGIC_CHECK(b, BACKUP_MAGIC);
	return e ? e->prepared : 0;
}

void backup_add_gap(const struct backup *b, const struct tenant_conf *t, struct buf *out)
{
	const struct known_files *known = map_get(&b->files, t->id);

	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (b->store)
		gap_add(t, known ? known->n : 0, out);
}

void backup_set_prepared(struct backup *b, const struct tenant_conf *t, uint64_t fingerprint)
{
	struct entry *e = entry_find(b, t->id);

	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (e)
		e->prepared = fingerprint;
}

void backup_attach(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	start_op(b, t, attach_op(false), done, arg);
}

void backup_recheck(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	start_op(b, t, recheck_op(), done, arg);
}

void backup_forget_connections(struct backup *b)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (b->store)
		store_forget_connections(b->store);
}

void backup_detach(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	start_op(b, t, detach_op(false), done, arg);
}

str backup_pending(const struct backup *b, const struct tenant_conf *t)
{
	const struct entry *e = entry_find(b, t->id);

	MAGIC_CHECK(b, BACKUP_MAGIC);
	return e && e->is_pending ? str_of(e->pending.text) : STR_EMPTY;
}

static const char *state_of(const struct entry *e, const struct database *db)
{
	const struct replica *r = &db->replica;

	return !e->is_attached	   ? "restored"
	       : !r->registered_in ? "waiting"
	       : db->is_doubted	   ? "differs"
	       : r->is_confirmed   ? "confirmed"
	       : r->why.text[0]	   ? "failing"
				   : "registered";
}

static void add_database(struct json *j, const struct entry *e, const struct database *db)
{
	const struct replica *r = &db->replica;

	json_open_object(j, NULL);
	json_str(j, "tenant", str_of(e->id));
	json_str(j, "name", str_of(db->name));
	json_str(j, "state", str_of(state_of(e, db)));
	json_number(j, "epoch", e->head.epoch);
	json_number(j, "txid", r->txid);
	json_number(j, "replicated_txid", r->replicated_txid);
	json_number(j, "verified_txid", db->verified_txid);
	json_str(j, "why", str_of(r->why.text));
	json_close_object(j);
}

static void add_databases(struct json *j, const struct backup *b)
{
	json_open_array(j, "databases");
	map_foreach (it, &b->entries) {
		const struct entry *e = it->value;

		for (size_t i = 0; i < e->ndbs && b->store; i++)
			if (e->dbs[i].has_backup)
				add_database(j, e, &e->dbs[i]);
	}
	json_close_array(j);
}

static void add_pending(struct json *j, const struct backup *b)
{
	json_open_array(j, "pending");
	map_foreach (it, &b->entries) {
		const struct entry *e = it->value;

		if (!e->is_pending)
			continue;
		json_open_object(j, NULL);
		json_str(j, "tenant", str_of(e->id));
		json_str(j, "why", str_of(e->pending.text));
		json_close_object(j);
	}
	json_close_array(j);
}

void backup_status_json(const struct backup *b, struct buf *out)
{
	struct json *j = &(struct json){.out = out};

	MAGIC_CHECK(b, BACKUP_MAGIC);
	json_open_object(j, NULL);
	json_str(j, "url", str_of(b->store ? b->location.url : ""));
	if (b->daemon)
		daemon_status_json(b->daemon, j, "daemon");
	else
		json_none(j, "daemon");
	add_databases(j, b);
	add_pending(j, b);
	json_close_object(j);
}

/* An operation that ends in here may take its entry out of the map, and others would move up. */
static void cancel_all(struct backup *b)
{
	struct op **running = xcalloc(b->entries.count + 1, sizeof(struct op *));
	size_t n = 0;

	map_foreach (it, &b->entries) {
		struct entry *e = it->value;

		timer_cancel(&e->retry);
		if (e->running)
			running[n++] = e->running;
	}
	for (size_t i = 0; i < n; i++)
		op_cancel(running[i]);
	free(running);
}

void backup_stop(struct backup *b, backup_fn *done, void *arg)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	b->stop.is_stopping = true;
	b->stop.on_stopped = done;
	b->stop.arg = arg;
	timer_cancel(&b->watchdog.timer);
	probation_stop(b);
	catchup_forget_all(b);
	await_end_all(b, "fly-atc is stopping");
	work_stop(b->work);
	cancel_all(b);
	backup_stop_advance(b);
}

void backup_free(struct backup *b)
{
	if (!b)
		return;
	timer_cancel(&b->watchdog.timer);
	while (b->entries.count)
		map_foreach (it, &b->entries) {
			entry_free(it->value);
			break;
		}
	map_done(&b->entries);
	files_forget_all(b);
	probation_free(b);
	daemon_free(b->daemon);
	registry_done(&b->registry);
	store_free(b->store);
	work_free(b->work);
	location_done(&b->location);
	program_env_free(b->env);
	close_fd(&b->keys_fd);
	free(b->program);
	MAGIC_END(b, BACKUP_MAGIC);
	loop_defer_free(b->loop, b);
}
