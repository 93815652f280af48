/* watchdog.c - while tenants are awake: does the store have what they wrote, and is Litestream
 * well? */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/magic.h"

#define ASK_LIMIT 5000u /* msec for the store to say that it is there */

enum { QUESTION_MAGIC = MAGIC('q', 'u', 'e', 's') };

/* Is it the store, or is it Litestream? */
struct question {
	uint32_t magic;
	struct backup *b;
	char *prefix;
	msec until;
	int result;
	struct why why;
};

static void ask_about(void *arg)
{
	struct question *q = arg;
	bool has;

	MAGIC_CHECK(q, QUESTION_MAGIC);
	q->result = store_has(q->b->store, q->prefix, q->until, &has, &q->why);
}

/* A database that no daemon can bring to the store must not cost the others their daemon every
 * minute. */
static bool is_stalled(const struct replica *r, const struct backup *b)
{
	return r->failing_since &&
	       loop_now(b->loop) - r->failing_since >= b->timing.stall_limit << MIN(r->stalls, 6u);
}

/* The next judgement comes in its own time. */
static void forgive(struct backup *b)
{
	msec now = loop_now(b->loop);

	map_foreach (it, &b->entries) {
		struct entry *e = it->value;

		for (size_t i = 0; i < e->ndbs; i++) {
			struct replica *r = &e->dbs[i].replica;

			if (is_stalled(r, b))
				r->stalls++;
			if (r->failing_since)
				r->failing_since = now;
		}
	}
}

static void on_question_answered(void *arg)
{
	struct question *q = arg;
	struct backup *b = q->b;

	MAGIC_CHECK(q, QUESTION_MAGIC);
	b->watchdog.is_asking = false;
	if (q->result == 0)
		daemon_replace(
			b->daemon, true, "the store answers, but Litestream brings nothing there");
	else
		log_warn(
			"databases are not replicated, the store gives no answer: %s", q->why.text);
	forgive(b);
	free(q->prefix);
	MAGIC_END(q, QUESTION_MAGIC);
	free(q);
	backup_stop_advance(b);
}

static void ask_store(struct backup *b, const struct entry *e)
{
	struct question *q = xcalloc(1, sizeof(*q));

	MAGIC_BEGIN(q, QUESTION_MAGIC);
	b->watchdog.is_asking = true;
	q->b = b;
	q->prefix = head_key(entry_id(e));
	q->until = loop_now(b->loop) + ASK_LIMIT;
	work_run(b->work, ask_about, on_question_answered, q);
}

static bool has_stalled(const struct entry *e)
{
	for (size_t i = 0; i < e->ndbs && e->is_attached; i++)
		if (is_stalled(&e->dbs[i].replica, e->b))
			return true;
	return false;
}

static void look_at_entries(struct backup *b)
{
	const struct entry *stalled = NULL;

	map_foreach (it, &b->entries) {
		struct entry *e = it->value;

		if (has_stalled(e))
			stalled = e;
		if (e->is_attached && !e->is_pending && !e->running)
			op_add(e, attach_op(true));
	}
	if (stalled && !b->watchdog.is_asking)
		ask_store(b, stalled);
	ageing_check(b);
}

static void on_watch_time(struct timer *t)
{
	struct backup *b = container_of(t, struct backup, watchdog.timer);

	MAGIC_CHECK(b, BACKUP_MAGIC);
	look_at_entries(b);
	timer_set(&b->watchdog.timer, b->loop, loop_now(b->loop) + b->timing.watch_period,
		on_watch_time);
}

void watchdog_start(struct backup *b)
{
	if (b->store && !b->stop.is_stopping && !timer_is_set(&b->watchdog.timer))
		timer_set(&b->watchdog.timer, b->loop, loop_now(b->loop) + b->timing.watch_period,
			on_watch_time);
}
