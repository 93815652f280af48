/* tasks.c - runs the same task for each backed-up database of a tenant, all at once. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"

static void tell_done(void *arg)
{
	struct tasks *t = arg;

	t->done(t->arg, t->is_ok);
}

static void on_task_done(void *arg, struct replica *r, enum task_result result)
{
	struct tasks *t = arg;
	struct database *db = container_of(r, struct database, replica);

	t->tasks[db - t->entry->dbs] = NULL;
	t->is_lost |= result == TASK_LOST;
	if ((result == TASK_FAILED || result == TASK_LOST) && t->is_ok) {
		t->is_ok = false;
		why_set(&t->why, "%s: %s", db->name, r->why.text[0] ? r->why.text : "gave way");
	}
	if (--t->running == 0)
		tell_done(t);
}

void tasks_start(struct tasks *t, struct entry *e, enum task_kind kind, msec until, bool is_hasty,
	tasks_fn *done, void *arg)
{
	MAGIC_CHECK(e, ENTRY_MAGIC);
	tasks_done(t);
	*t = (struct tasks){.ndbs = e->ndbs, .is_ok = true, .entry = e, .done = done, .arg = arg};
	t->tasks = xcalloc(e->ndbs + 1, sizeof(*t->tasks));
	for (size_t i = 0; i < e->ndbs; i++) {
		if (!e->dbs[i].has_backup)
			continue;
		t->tasks[i] = task_start(&e->b->registry, &e->dbs[i].replica, kind, until, is_hasty,
			on_task_done, t);
		t->running++;
	}
	if (!t->running)
		loop_defer(e->b->loop, tell_done, t);
}

void tasks_cancel(struct tasks *t, const char *why)
{
	for (size_t i = 0; i < t->ndbs; i++)
		if (t->tasks[i])
			task_cancel(t->tasks[i], why);
}

void tasks_done(struct tasks *t)
{
	free(t->tasks);
	*t = (struct tasks){0};
}
