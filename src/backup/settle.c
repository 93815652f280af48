/* settle.c - Litestream has let go: is the database still what was compared?  If so, it is
 * sealed. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "backup/confirm.h"
#include "backup/live.h"
#include "base/alloc.h"
#include "base/magic.h"

#define MAX_TURNS 3 /* tries, when something changes at the same time */

enum { SETTLING_MAGIC = MAGIC('s', 'e', 't', 't') };

struct settling {
	uint32_t magic;
	struct entry *entry;
	const atomic_bool *stop;
	int result;
	struct why why;
	settle_fn *done;
	void *arg;
};

/* Litestream may have moved pages from the WAL into the file when it ended. */
static int look_at_pages_again(struct settling *s, struct database *db, struct identity *now)
{
	struct identity after;
	struct pages live = {0};
	uint32_t first = 0, differ = 0;
	int r = live_read(db->path, s->stop, &live, &s->why);

	if (r == 0)
		differ = pages_differ(&live, &db->mirror.pages, NULL, 0, &first);
	pages_done(&live);
	if (r < 0)
		return r;
	if (differ) {
		why_set(&s->why, "%s: something wrote to it after the tenant had ended (page %u)",
			db->name, first);
		return -EUCLEAN;
	}
	r = identity_look(db->path, &after);
	if (r == 0 && !identity_is_same(now, &after))
		r = -EAGAIN;
	return r;
}

static int settle(struct settling *s, struct database *db)
{
	struct identity now;
	struct seal seal;
	int r = -EAGAIN;

	for (int i = 0; i < MAX_TURNS && r == -EAGAIN; i++) {
		r = identity_look(db->path, &now);
		if (r == 0 && !identity_is_same(&now, &db->verified))
			r = look_at_pages_again(s, db, &now);
	}
	if (r == 0) {
		seal = (struct seal){
			.epoch = s->entry->head.epoch, .identity = now, .mirror = db->mirror};
		db->verified = now;
		r = seal_save(s->entry->base, db->path, &seal);
	}
	if (r < 0 && !s->why.text[0])
		why_set(&s->why, "%s: %s", db->name, strerror(-r));
	return r;
}

static bool is_to_settle(const struct database *db)
{
	return db->has_backup && db->replica.txid && db->verified_txid == db->replica.txid;
}

static void run_settling(void *arg)
{
	struct settling *s = arg;

	MAGIC_CHECK(s, SETTLING_MAGIC);
	for (size_t i = 0; i < s->entry->ndbs && s->result == 0; i++)
		if (is_to_settle(&s->entry->dbs[i]))
			s->result = settle(s, &s->entry->dbs[i]);
}

static void on_pages_settled(void *arg)
{
	struct settling *s = arg;

	for (size_t i = 0; i < s->entry->ndbs && s->result == 0; i++)
		s->entry->dbs[i].is_settled = is_to_settle(&s->entry->dbs[i]);
	s->done(s->arg, s->result, &s->why);
	MAGIC_END(s, SETTLING_MAGIC);
	free(s);
}

void settle_start(struct entry *e, const atomic_bool *stop, settle_fn *done, void *arg)
{
	struct settling *s = xcalloc(1, sizeof(*s));

	MAGIC_CHECK(e, ENTRY_MAGIC);
	*s = (struct settling){
		.magic = SETTLING_MAGIC, .entry = e, .stop = stop, .done = done, .arg = arg};
	work_run(e->b->work, run_settling, on_pages_settled, s);
}
