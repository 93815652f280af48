/* attach.c - a tenant's databases are given to Litestream, and are known to have arrived in the
 * store. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "backup/confirm.h"
#include "base/alloc.h"
#include "base/log.h"

#define LOOK_LIMIT   10000u /* msec */
#define PROVEN_LIMIT 3000u  /* files that are here and proven wait no longer than this */

struct attach {
	struct op op;
	struct confirm *confirm;
	bool is_look;
};

static struct attach *attach_of(struct op *op)
{
	return container_of(op, struct attach, op);
}

/* Until the next success. */
static void note_why(struct entry *e, const char *why)
{
	for (size_t i = 0; i < e->ndbs; i++)
		if (e->dbs[i].has_backup && !e->dbs[i].replica.why.text[0])
			why_set(&e->dbs[i].replica.why, "%s", why);
}

/* The databases stay with Litestream, or a look gives them to it, which keeps trying until they are
 * detached.  What is here is proven: nobody needs to wait. */
static void fail_attach(struct attach *a, const char *why)
{
	struct entry *e = a->op.entry;
	struct backup_result result = {.is_ok = true};

	if (a->op.is_cancelled) {
		op_fail(&a->op, why);
		return;
	}
	log_warn("tenant %s: its changes do not reach the store: %s", e->id, why);
	note_why(e, why);
	if (a->is_look) {
		op_fail(&a->op, why);
		return;
	}
	snprintf(result.reason, sizeof(result.reason), "%s", why);
	op_finish(&a->op, &result);
}

static void on_recorded(void *arg, int result, const struct why *why)
{
	struct attach *a = arg;

	if (result < 0)
		fail_attach(a, why->text);
	else
		op_succeed(&a->op);
}

static void on_confirmed(void *arg, int result, const struct why *why)
{
	struct attach *a = arg;
	struct entry *e = a->op.entry;

	a->confirm = NULL;
	if (result == -EUCLEAN && !a->is_look)
		op_fail(&a->op, why->text); /* it is not what was proven */
	else if (result < 0 || a->op.is_cancelled)
		fail_attach(a, result < 0 ? why->text : OP_GAVE_WAY);
	else if ((a->is_look || !e->is_offline) && headjob_is_needed(e, false))
		headjob_start(e, false, on_recorded, a);
	else
		op_succeed(&a->op);
}

static void attach_start(struct op *op)
{
	struct attach *a = attach_of(op);
	struct entry *e = op->entry;
	struct backup *b = e->b;
	msec limit = a->is_look ? LOOK_LIMIT : e->is_proven ? PROVEN_LIMIT : b->limits.sync_timeout;

	if (!entry_has_backup(e)) {
		timer_cancel(&e->retry);
		e->is_pending = false;
		op_succeed(op);
		return;
	}
	if (!e->head.epoch) {
		op_fail(op, "its databases were not restored yet");
		return;
	}
	if (!a->is_look) {
		if (e->is_pending)
			await_end(e, "it was woken again before that");
		e->is_pending = false;
		e->retry_pause = b->timing.first_retry;
		timer_cancel(&e->retry);
	}
	entry_attach(e);
	a->confirm = confirm_start(e, a->is_look ? CONFIRM_LOOK : CONFIRM_WAKE,
		msec_limit(loop_now(b->loop), limit), on_confirmed, a);
}

static void attach_cancel(struct op *op)
{
	confirm_cancel(attach_of(op)->confirm);
}

struct op *attach_op(bool is_look)
{
	struct attach *a = xcalloc(1, sizeof(*a));

	a->op = (struct op){.magic = OP_MAGIC,
		.start = attach_start,
		.cancel = attach_cancel,
		.is_background = is_look};
	a->is_look = is_look;
	return &a->op;
}
