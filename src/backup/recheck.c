/* recheck.c - after the machine has slept: do a tenant's databases still belong to us? */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"

#define ASK_LIMIT 5000u /* msec for the store's answer: requests wait for it */

struct recheck {
	struct op op;
	/* of the thread, until it ends */
	struct store *store;
	str tenant;
	msec until;
	uint64_t epoch;
	int result;
	struct why why;
};

static void read_head(void *arg)
{
	struct recheck *r = arg;
	struct head head = {0};
	struct etag etag;

	MAGIC_CHECK(&r->op, OP_MAGIC);
	r->result = head_load(r->store, r->tenant, r->until, &head, &etag, &r->why);
	if (r->result == -ENOENT) {
		why_set(&r->why, "its record HEAD has vanished from the store");
		r->result = -ESTALE;
	} else if (r->result == 0 && head.epoch != r->epoch) {
		why_set(&r->why,
			"another fly-atc has taken it over (epoch %llu, ours is %llu) while this "
			"machine slept",
			(unsigned long long)head.epoch, (unsigned long long)r->epoch);
		r->result = -ESTALE;
	}
	head_done(&head);
}

static void on_read(void *arg)
{
	struct recheck *r = arg;
	struct backup_result result = {.is_ok = r->result == 0, .is_lost = r->result == -ESTALE};

	if (!result.is_ok)
		snprintf(result.reason, sizeof(result.reason), "%s", r->why.text);
	op_finish(&r->op, &result);
}

/* Nobody writes HEAD from here meanwhile: operations of one tenant run one after the other. */
static void recheck_start(struct op *op)
{
	struct recheck *r = container_of(op, struct recheck, op);
	struct entry *e = op->entry;
	struct backup *b = e->b;

	if (!b->store || !entry_has_backup(e) || !e->head.epoch || e->is_offline) {
		op_succeed(op); /* nothing is known that could have been taken over */
		return;
	}
	r->store = b->store;
	r->tenant = entry_id(e);
	r->until = loop_now(b->loop) + ASK_LIMIT;
	r->epoch = e->head.epoch;
	work_run(b->work, read_head, on_read, r);
}

/* It ends soon by itself. */
static void recheck_cancel(struct op *op)
{
	(void)op;
}

struct op *recheck_op(void)
{
	struct recheck *r = xcalloc(1, sizeof(*r));

	r->op = (struct op){.magic = OP_MAGIC, .start = recheck_start, .cancel = recheck_cancel};
	return &r->op;
}
