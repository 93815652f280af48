/* release.c - Litestream lets go of a tenant's databases, confirmed or not. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"

struct release {
	struct op op;
	bool forgets;
	struct tasks tasks;
};

static struct release *release_of(struct op *op)
{
	return container_of(op, struct release, op);
}

/* The mark stays, so that what is not confirmed is not forgotten: attach or the next start deals
 * with it. */
static void on_release_done(void *arg, bool is_ok)
{
	struct release *r = arg;
	struct entry *e = r->op.entry;

	if (!is_ok || r->op.is_cancelled) {
		op_fail(&r->op, is_ok ? OP_GAVE_WAY : r->tasks.why.text);
		return;
	}
	timer_cancel(&e->retry);
	if (e->is_pending)
		await_end(e, "it was woken again before that");
	e->is_pending = false;
	entry_unattach(e);
	if (r->forgets)
		head_done(&e->head);
	op_succeed(&r->op);
}

static void release_start(struct op *op)
{
	struct release *r = release_of(op);
	struct entry *e = op->entry;
	struct backup *b = e->b;

	if (!e->is_attached && r->forgets) {
		on_release_done(r, true);
		return;
	}
	if (!e->is_attached) {
		op_succeed(op);
		return;
	}
	tasks_start(&r->tasks, e, TASK_RELEASE,
		msec_limit(loop_now(b->loop), b->limits.sync_timeout), false, on_release_done, r);
}

static void release_cancel(struct op *op)
{
	tasks_cancel(&release_of(op)->tasks, OP_GAVE_WAY);
}

static void release_free(struct op *op)
{
	tasks_done(&release_of(op)->tasks);
}

struct op *release_op(bool forgets)
{
	struct release *r = xcalloc(1, sizeof(*r));

	r->forgets = forgets;
	r->op = (struct op){.magic = OP_MAGIC,
		.start = release_start,
		.cancel = release_cancel,
		.free = release_free};
	return &r->op;
}
