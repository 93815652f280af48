/* reach.c - asks whether the store can be reached at all. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"
#include "base/magic.h"

#define ASK_LIMIT 5000u /* msec for its answer */
/* It was never written: saying that it does not exist is what a working store does, and its
 * cheapest answer. */
#define NO_OBJECT "is-it-there"

enum { REACH_MAGIC = MAGIC('r', 'e', 'a', 'c') };

struct reach {
	uint32_t magic;
	struct backup *b;
	msec until;
	int result;
	struct why why;
	backup_fn *done;
	void *arg;
};

static void read_store_head(void *arg)
{
	struct reach *r = arg;
	struct etag etag;
	struct buf body = {0};

	MAGIC_CHECK(r, REACH_MAGIC);
	r->result = store_get(r->b->store, NO_OBJECT, r->until, &body, &etag, &r->why);
	buf_done(&body);
}

static void on_reached(void *arg)
{
	struct reach *r = arg;
	struct backup *b = r->b;
	struct backup_result result = {.is_ok = r->result == 0 || r->result == -ENOENT};

	MAGIC_CHECK(r, REACH_MAGIC);
	if (!result.is_ok)
		memcpy(result.reason, r->why.text, MIN(sizeof(result.reason), sizeof(r->why.text)));
	r->done(r->arg, &result);
	MAGIC_END(r, REACH_MAGIC);
	free(r);
	backup_stop_advance(b);
}

bool backup_reach(struct backup *b, backup_fn *done, void *arg)
{
	struct reach *r;

	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (!b->store || b->stop.is_stopping)
		return false;
	r = xcalloc(1, sizeof(*r));
	*r = (struct reach){.magic = REACH_MAGIC,
		.b = b,
		.until = loop_now(b->loop) + ASK_LIMIT,
		.done = done,
		.arg = arg};
	work_run(b->work, read_store_head, on_reached, r);
	return true;
}
