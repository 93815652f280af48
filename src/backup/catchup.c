/* catchup.c - what a killed fly-atc left behind reaches the store before the next wake. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/magic.h"

#define AT_ONCE 4u

enum { LATE_MAGIC = MAGIC('l', 'a', 't', 'e') };

struct late {
	uint32_t magic;
	struct list node; /* on backup.catchup.waiting while it waits */
	struct backup *b;
	char *id;
};

static void start_next(struct backup *b);

static void free_late(struct late *late)
{
	free(late->id);
	MAGIC_END(late, LATE_MAGIC);
	free(late);
}

static void end_late(struct late *late)
{
	struct backup *b = late->b;

	b->catchup.count--;
	free_late(late);
	start_next(b);
}

static void add_op(struct entry *e, struct op *take_op, backup_fn *done, struct late *late)
{
	take_op->done = done;
	take_op->arg = late;
	op_add(e, take_op);
}

/* A failed detach is retried by itself. */
static void on_detached(void *arg, const struct backup_result *r)
{
	struct late *late = arg;

	MAGIC_CHECK(late, LATE_MAGIC);
	if (r->is_ok)
		log_info("tenant %s: what its last life left is confirmed in the store now",
			late->id);
	end_late(late);
}

static void on_late_restored(void *arg, const struct backup_result *r)
{
	struct late *late = arg;
	struct entry *e = entry_find(late->b, str_of(late->id));

	MAGIC_CHECK(late, LATE_MAGIC);
	if (!r->is_ok || !e || e->is_asked) {
		end_late(late);
		return;
	}
	if (entry_has_backup(e))
		entry_attach(e);
	add_op(e, detach_op(true), on_detached, late);
}

static void start_next(struct backup *b)
{
	while (b->catchup.count < AT_ONCE && !list_is_empty(&b->catchup.waiting)) {
		struct late *late = list_first(&b->catchup.waiting, struct late, node);
		struct entry *e = entry_find(b, str_of(late->id));

		list_remove(&late->node);
		assert(b->catchup.waiting.next != &late->node);
		if (!e || e->is_asked) {
			free_late(late);
			continue;
		}
		b->catchup.count++;
		watchdog_start(b);
		add_op(e, restore_op(true), on_late_restored, late);
	}
}

void backup_catch_up(struct backup *b, const struct config *conf)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (!b->store)
		return;
	for (size_t i = 0; i < conf->ntenants; i++) {
		const struct tenant_conf *t = &conf->tenants[i];
		CLEAN_FREE char *dir = str_dup(t->dir);
		struct late *late;

		if (entry_find(b, t->id) || !proof_is_open(dir))
			continue;
		late = xcalloc(1, sizeof(*late));
		MAGIC_BEGIN(late, LATE_MAGIC);
		late->b = b;
		late->id = str_dup(t->id);
		list_init(&late->node);
		list_append(&b->catchup.waiting, &late->node);
		entry_get(b, t);
	}
	start_next(b);
}

void catchup_forget_all(struct backup *b)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	list_foreach_safe (late, &b->catchup.waiting, struct late, node) {
		list_remove(&late->node);
		free_late(late);
	}
}
