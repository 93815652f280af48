/* verify.c - compares the pages that the store has with those that SQLite sees.
 *
 * While the application writes: T1 is confirmed, the pages are read, T2 is confirmed.  Everything
 * committed up to T1 is in the pages, and everything in them is in the store at T2; so every page
 * that no transaction in between touched must be the same.  The others are compared the next
 * time. */
/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "backup/confirm.h"
#include "backup/leftovers.h"
#include "backup/live.h"
#include "base/alloc.h"
#include "base/log.h"

/* --- on the thread --- */

static void compare_part(struct confirm_part *part)
{
	part->differ = pages_differ(&part->live, &part->db->mirror.pages, part->touched.is,
		part->touched.count, &part->first);
}

static void read_live(struct confirm *c, struct confirm_part *part)
{
	struct database *db = part->db;
	int r = identity_look(db->path, &part->seen);

	/* Nothing was written since they were compared. */
	if (r == 0 && db->verified_txid == part->txid &&
		identity_is_same(&part->seen, &db->verified))
		return;
	pages_done(&part->live);
	part->result = r < 0 ? r : live_read(db->path, &c->stop, &part->live, &part->why);
	part->has_live = part->result == 0;
}

/* A commit that was under way at the last look is a transaction of its own by now. */
static bool is_still_ahead(struct database *db, uint64_t txid)
{
	uint64_t before = db->ahead_txid;

	db->ahead_txid = observe_is_ahead(db->path, txid) ? txid : 0;
	return db->ahead_txid && db->ahead_txid == before;
}

static void run_verify(void *arg)
{
	struct confirm *c = arg;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	for (size_t i = 0; i < c->nparts; i++) {
		struct confirm_part *part = &c->parts[i];

		if (part->looks && is_still_ahead(part->db, part->txid))
			part->follows = part->compares = true;
		if (part->follows)
			part->result = mirror_follow(&part->db->mirror, c->entry->b->store,
				part->key, part->txid, &c->stop, NULL, &part->why);
		if (part->compares && part->result == 0)
			read_live(c, part);
		if (part->has_live && c->kind == CONFIRM_LAST)
			compare_part(part);
	}
}

static void run_compare(void *arg)
{
	struct confirm *c = arg;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	for (size_t i = 0; i < c->nparts; i++) {
		struct confirm_part *part = &c->parts[i];

		if (!part->has_live)
			continue;
		part->result = mirror_follow(&part->db->mirror, c->entry->b->store, part->key,
			part->db->replica.txid, &c->stop, &part->touched, &part->why);
		if (part->result == 0)
			compare_part(part);
	}
}

/* --- judgement --- */

static bool is_beyond_us(int result)
{
	return result == -ENOENT || result == -ENOTSUP;
}

static void doubt(struct confirm *c, struct confirm_part *part)
{
	struct database *db = part->db;

	if (part->differ)
		why_set(&part->why,
			"what the store has in epoch %llu is not the database: %u of %u pages differ, "
			"the first is page %u",
			(unsigned long long)c->entry->head.epoch, part->differ,
			MAX(part->live.count, db->mirror.pages.count), part->first);
	db->is_doubted = true;
	db->replica.is_confirmed = false;
	db->replica.why = part->why;
	why_set(&c->why, "%s: %s", db->name, part->why.text);
	log_warn("tenant %s: %s; a new epoch begins with a whole copy", c->entry->id, c->why.text);
}

static void accept(struct confirm *c, struct confirm_part *part)
{
	struct database *db = part->db;

	if (part->has_live) {
		bool is_exact = db->mirror.txid == part->txid;

		db->verified_at = loop_now(c->entry->b->loop);
		db->is_doubted = false;
		if (is_exact) {
			db->verified_txid = part->txid;
			db->verified = part->seen;
		}
	}
	part->has_live = false;
	pages_done(&part->live);
	touched_done(&part->touched);
}

static void start_copy(struct confirm *c);

/* The result for all parts: the worst one decides. */
static void judge_parts(struct confirm *c)
{
	struct confirm_part *failed = NULL;
	bool is_doubted = false;

	for (size_t i = 0; i < c->nparts; i++) {
		struct confirm_part *part = &c->parts[i];

		if (part->result == -EBADMSG || part->differ) {
			doubt(c, part);
			is_doubted = true;
		} else if (part->result < 0 && !is_beyond_us(part->result)) {
			failed = part;
		} else if (part->result == 0) {
			accept(c, part);
		}
	}
	if (c->is_cancelled)
		confirm_fail(c, "");
	else if (is_doubted)
		confirm_renew(c);
	else if (failed)
		confirm_fail(c, failed->why.text);
	else
		start_copy(c);
}

static void on_verified(void *arg)
{
	struct confirm *c = arg;
	bool has_live = false;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	for (size_t i = 0; i < c->nparts; i++)
		has_live |= c->parts[i].has_live && c->parts[i].result == 0;
	if (has_live && c->kind == CONFIRM_LOOK && !c->is_cancelled)
		confirm_sync(c);
	else
		judge_parts(c);
}

static void on_compared(void *arg)
{
	judge_parts(arg);
}

static bool is_due(const struct confirm *c, const struct database *db)
{
	const struct backup *b = c->entry->b;

	return db->is_doubted ||
	       (b->limits.verify_interval &&
		       loop_now(b->loop) - db->verified_at >= b->limits.verify_interval);
}

bool verify_start(struct confirm *c)
{
	bool has_work = false;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	for (size_t i = 0; i < c->nparts; i++) {
		struct confirm_part *part = &c->parts[i];
		const struct database *db = part->db;
		bool is_there = db->replica.is_confirmed;

		part->txid = db->replica.txid;
		part->follows = is_there && db->mirror.txid < part->txid;
		part->compares = is_there && (c->kind == CONFIRM_LAST || is_due(c, db));
		part->looks = is_there && c->kind == CONFIRM_LOOK && !part->compares;
		part->differ = 0;
		part->result = 0;
		part->has_live = false;
		has_work |= part->follows || part->compares || part->looks;
	}
	if (has_work)
		confirm_work(c, run_verify, on_verified);
	return has_work;
}

void verify_finish(struct confirm *c)
{
	MAGIC_CHECK(c, CONFIRM_MAGIC);
	confirm_work(c, run_compare, on_compared);
}

/* --- where the files of the store do not help: a restore beside the database --- */

static char *copy_path(const struct confirm_part *part)
{
	return xasprintf("%s" PLAN_SUFFIX, part->db->path);
}

static void run_compare_copy(void *arg)
{
	struct confirm *c = arg;
	struct confirm_part *part = &c->parts[c->ncopy];
	CLEAN_FREE char *path = copy_path(part);
	struct pages pages = {0};
	uint64_t txid = 0;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	if (!restore_read_txid(buf_str(&c->copy_out), &txid) || txid != part->txid) {
		why_set(&part->why, "a restore to compare with did not come to transaction %llu",
			(unsigned long long)part->txid);
		part->result = -EIO;
	} else {
		part->result = live_read(path, &c->stop, &pages, &part->why);
	}
	leftovers_clear_restore(c->entry->base, part->db->path);
	if (part->result < 0)
		return;
	mirror_done(&part->db->mirror);
	part->db->mirror = (struct mirror){.pages = pages, .txid = txid};
	read_live(c, part);
	if (part->has_live)
		compare_part(part);
}

static void on_copy_output(void *arg, enum process_stream stream, str line, bool is_cut)
{
	struct confirm *c = arg;

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	(void)is_cut;
	if (stream == PROCESS_STDERR)
		why_set(&c->parts[c->ncopy].why, STR_FMT, STR_ARG(line));
	else if (buf_len(&c->copy_out) + line.n < STORE_OBJECT_MAX)
		buf_add(&c->copy_out, line);
}

static void on_copied(void *arg, int status)
{
	struct confirm *c = arg;
	struct confirm_part *part = &c->parts[c->ncopy];

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	c->copying = NULL;
	timer_cancel(&c->copy_limit);
	if (status == 0) {
		confirm_work(c, run_compare_copy, on_compared);
		return;
	}
	leftovers_clear_restore(c->entry->base, part->db->path);
	confirm_fail(c, part->why.text);
}

static void on_copy_limit(struct timer *t)
{
	struct confirm *c = container_of(t, struct confirm, copy_limit);

	MAGIC_CHECK(c, CONFIRM_MAGIC);
	process_signal(c->copying, SIGKILL);
}

/* While the application runs, this can wait for its end. */
static void start_copy(struct confirm *c)
{
	struct backup *b = c->entry->b;
	struct confirm_part *part;
	const char *step = NULL;

	for (c->ncopy = 0; c->ncopy < c->nparts; c->ncopy++)
		if (is_beyond_us(c->parts[c->ncopy].result))
			break;
	if (c->ncopy == c->nparts || c->kind != CONFIRM_LAST) {
		confirm_succeed(c);
		return;
	}
	part = &c->parts[c->ncopy];
	log_info("tenant %s: %s: %s: compared with a restore", c->entry->id, part->db->name,
		part->why.text);
	buf_clear(&c->copy_out);
	leftovers_clear_restore(c->entry->base, part->db->path);
	{
		CLEAN_FREE char *path = copy_path(part);
		struct process_spec spec = {
			.on_line = on_copy_output, .on_exit = on_copied, .arg = c};

		if (restore_child(b, part->db->replica.url, path, spec, &c->copying, &step) < 0) {
			confirm_fail(c, step);
			return;
		}
	}
	timer_set(&c->copy_limit, b->loop, msec_limit(loop_now(b->loop), b->limits.restore_timeout),
		on_copy_limit);
}
