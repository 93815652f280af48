/* attach.c - a tenant's databases are given to Litestream, and are known to have arrived in the
 * store. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"
#include "base/log.h"

#define LOOK_LIMIT 10000u /* msec */

struct attach {
	struct op op;
	struct tasks tasks;
	bool is_look;
};

static struct attach *attach_of(struct op *op)
{
	return container_of(op, struct attach, op);
}

/* The databases stay with Litestream, which goes on trying, until they are detached. */
static void fail(struct attach *a, const char *why)
{
	struct entry *e = a->op.entry;

	if (!a->op.is_cancelled && a->is_look)
		log_warn("tenant %s: its changes do not reach the store: %s", e->id, why);
	op_fail(&a->op, why);
}

static void on_recorded(void *arg, int result, const struct why *why)
{
	struct attach *a = arg;

	if (result < 0)
		fail(a, why->text);
	else
		op_succeed(&a->op);
}

static void on_synced(void *arg, bool is_ok)
{
	struct attach *a = arg;
	struct entry *e = a->op.entry;

	if (!is_ok || a->op.is_cancelled) {
		struct why why = a->tasks.why;

		fail(a, is_ok ? OP_GAVE_WAY : why.text);
	} else if (e->is_offline && !a->is_look) {
		op_succeed(&a->op);
	} else if (headjob_is_needed(e, false)) {
		headjob_start(e, false, on_recorded, a);
	} else {
		op_succeed(&a->op);
	}
}

static void attach_start(struct op *op)
{
	struct attach *a = attach_of(op);
	struct entry *e = op->entry;
	struct backup *b = e->b;
	bool waits = a->is_look || !e->is_offline;
	msec limit = a->is_look ? LOOK_LIMIT : b->sync_timeout;

	if (!entry_has_backup(e)) {
		op_succeed(op);
		return;
	}
	if (!e->head.epoch) {
		op_fail(op, "its databases were not restored yet");
		return;
	}
	if (!a->is_look) {
		e->is_pending = false;
		e->retry_pause = b->timing.first_retry;
		timer_cancel(&e->retry);
	}
	entry_attach(e);
	tasks_start(&a->tasks, e, waits ? TASK_SYNC : TASK_REGISTER,
		msec_limit(loop_now(b->loop), limit), on_synced, a);
}

static void attach_cancel(struct op *op)
{
	tasks_cancel(&attach_of(op)->tasks, OP_GAVE_WAY);
}

static void attach_free(struct op *op)
{
	tasks_done(&attach_of(op)->tasks);
}

struct op *attach_op(bool is_look)
{
	struct attach *a = xcalloc(1, sizeof(*a));

	a->op = (struct op){.start = attach_start,
		.cancel = attach_cancel,
		.free = attach_free,
		.is_background = is_look};
	a->is_look = is_look;
	return &a->op;
}
