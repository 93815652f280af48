/* detach.c - a tenant has ended: its last transaction is confirmed, Litestream lets go, HEAD is
 * sealed. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "backup/confirm.h"
#include "base/alloc.h"
#include "base/log.h"

struct detach {
	struct op op;
	struct confirm *confirm;
	struct tasks tasks;
	atomic_bool stop;
};

static struct detach *detach_of(struct op *op)
{
	return container_of(op, struct detach, op);
}

static void on_detach_retry(struct timer *t)
{
	struct entry *e = container_of(t, struct entry, retry);
	struct backup *b = e->b;

	MAGIC_CHECK(e, ENTRY_MAGIC);
	if (b->stop.is_stopping || !e->is_pending)
		return;
	if (e->running)
		timer_set(&e->retry, b->loop, loop_now(b->loop) + e->retry_pause, on_detach_retry);
	else
		op_add(e, detach_op(true));
}

static void detach_retry_later(struct entry *e, const char *why)
{
	struct backup *b = e->b;

	MAGIC_CHECK(e, ENTRY_MAGIC);
	if (!e->is_pending)
		log_warn(
			"tenant %s: its last state is not confirmed in the store, its files stay: %s",
			e->id, why);
	e->is_pending = true;
	why_set(&e->pending, "%s", why);
	timer_set(&e->retry, b->loop, loop_now(b->loop) + e->retry_pause, on_detach_retry);
	e->retry_pause = MIN(e->retry_pause * 2, b->timing.longest_retry);
}

static void fail_detach(struct detach *d, const char *why)
{
	struct entry *e = d->op.entry;

	if (!d->op.is_cancelled)
		detach_retry_later(e, why);
	else if (e->is_pending) /* one that gave way keeps the reason that it had */
		detach_retry_later(e, e->pending.text);
	op_fail(&d->op, why);
}

static void succeed_detach(struct detach *d)
{
	struct entry *e = d->op.entry;

	if (e->is_pending)
		log_info("tenant %s: its last state is confirmed in the store now", e->id);
	timer_cancel(&e->retry);
	e->is_pending = false;
	await_end(e, NULL);
	entry_unattach(e);
	head_done(&e->head);
	op_succeed(&d->op);
}

/* The replicas of our epoch have everything, and nobody goes on from there: to try again would
 * change nothing. */
static void note_loss(const struct entry *e, const char *why)
{
	log_error(
		"tenant %s: %s; what was written here since is in the store, in epoch %llu, and not in "
		"what is served now",
		e->id, why, (unsigned long long)e->head.epoch);
}

static void on_sealed(void *arg, int result, const struct why *why)
{
	struct detach *d = arg;

	if (result == -EREMCHG)
		note_loss(d->op.entry, why->text);
	if (result < 0 && result != -EREMCHG)
		fail_detach(d, why->text);
	else
		succeed_detach(d);
}

/* The name of a database that was written between its confirmation and its release, or NULL. */
static const char *find_unconfirmed(const struct entry *e)
{
	for (size_t i = 0; i < e->ndbs; i++)
		if (e->dbs[i].has_backup && e->dbs[i].replica.txid &&
			!e->dbs[i].replica.is_confirmed)
			return e->dbs[i].name;
	return NULL;
}

static void on_databases_settled(void *arg, int result, const struct why *why)
{
	struct detach *d = arg;

	if (result < 0 || d->op.is_cancelled)
		fail_detach(d, result < 0 ? why->text : OP_GAVE_WAY);
	else
		headjob_start(d->op.entry, true, on_sealed, d);
}

static void on_detach_released(void *arg, bool is_ok)
{
	struct detach *d = arg;
	const char *unconfirmed = find_unconfirmed(d->op.entry);
	struct why why = d->tasks.why;

	if (is_ok && unconfirmed)
		why_set(&why, "%s: something wrote to it after the tenant had ended", unconfirmed);
	if (!is_ok || unconfirmed)
		fail_detach(d, why.text);
	else
		settle_start(d->op.entry, &d->stop, on_databases_settled, d);
}

static void on_confirmed(void *arg, int result, const struct why *why)
{
	struct detach *d = arg;
	struct backup *b = d->op.entry->b;

	d->confirm = NULL;
	if (result < 0 || d->op.is_cancelled)
		fail_detach(d, result < 0 ? why->text : OP_GAVE_WAY);
	else
		tasks_start(&d->tasks, d->op.entry, TASK_RELEASE,
			msec_limit(loop_now(b->loop), b->limits.sync_timeout), false,
			on_detach_released, d);
}

static void detach_start(struct op *op)
{
	struct detach *d = detach_of(op);
	struct entry *e = op->entry;
	struct backup *b = e->b;

	if (!e->is_pending)
		e->detach_began = loop_now(b->loop);
	if (e->is_attached) {
		timer_cancel(&e->retry);
		d->confirm = confirm_start(e, CONFIRM_LAST,
			msec_limit(loop_now(b->loop), b->limits.sync_timeout), on_confirmed, d);
		return;
	}
	if (e->head.epoch && b->store && !entry_has_backup(e)) {
		timer_cancel(&e->retry);
		headjob_start(e, true, on_sealed, d);
		return;
	}
	head_done(&e->head);
	op_succeed(op);
}

static void detach_cancel(struct op *op)
{
	struct detach *d = detach_of(op);

	atomic_store(&d->stop, true);
	confirm_cancel(d->confirm);
	tasks_cancel(&d->tasks, OP_GAVE_WAY);
}

static void detach_free(struct op *op)
{
	tasks_done(&detach_of(op)->tasks);
}

struct op *detach_op(bool is_background)
{
	struct detach *d = xcalloc(1, sizeof(*d));

	d->op = (struct op){.magic = OP_MAGIC,
		.start = detach_start,
		.cancel = detach_cancel,
		.free = detach_free,
		.is_background = is_background};
	return &d->op;
}
