/* await.c - an operator who stopped a tenant waits until its last state is in the store, within
 * limits. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "backup/backup_int.h"
#include "base/alloc.h"
#include "base/magic.h"

enum { AWAIT_MAGIC = MAGIC('a', 'w', 'a', 'i') };

struct await {
	uint32_t magic;
	struct list node; /* on backup.awaits */
	struct backup *b;
	char *id; /* NULL: all */
	struct timer limit;
	struct backup_result result;
	backup_fn *done;
	void *arg;
};

static bool is_about(const struct await *s, const struct entry *e)
{
	return !s->id || str_eq(str_of(s->id), entry_id(e));
}

/* The entry that may be waited for longest, or NULL. */
static const struct entry *find_pending(const struct await *s)
{
	const struct entry *found = NULL;

	map_foreach (it, &s->b->entries) {
		const struct entry *e = it->value;

		if (e->is_pending && is_about(s, e) &&
			(!found || e->detach_began > found->detach_began))
			found = e;
	}
	return found;
}

static void tell_waiter(void *arg)
{
	struct await *s = arg;

	MAGIC_CHECK(s, AWAIT_MAGIC);
	s->done(s->arg, &s->result);
	free(s->id);
	MAGIC_END(s, AWAIT_MAGIC);
	free(s);
}

static void end_wait(struct await *s, const char *id, const char *why)
{
	list_remove(&s->node);
	timer_cancel(&s->limit);
	s->result.is_ok = !why;
	if (why)
		snprintf(s->result.reason, sizeof(s->result.reason), "%s%s%.*s", s->id ? "" : id,
			s->id ? "" : ": ", (int)sizeof(s->result.reason) - 3, why);
	loop_defer(s->b->loop, tell_waiter, s);
}

static void on_await_limit(struct timer *t)
{
	struct await *s = container_of(t, struct await, limit);
	const struct entry *e = find_pending(s);

	MAGIC_CHECK(s, AWAIT_MAGIC);
	end_wait(s, e ? e->id : "", e ? e->pending.text : NULL);
}

void await_end(const struct entry *e, const char *why)
{
	MAGIC_CHECK(e, ENTRY_MAGIC);
	list_foreach_safe (s, &e->b->awaits, struct await, node)
		if (is_about(s, e) && (why || !find_pending(s)))
			end_wait(s, e->id, why);
}

void await_end_all(struct backup *b, const char *why)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	list_foreach_safe (s, &b->awaits, struct await, node) {
		const struct entry *e = find_pending(s);

		end_wait(s, e ? e->id : "", e ? why : NULL);
	}
}

void backup_await(struct backup *b, const struct tenant_conf *t, backup_fn *done, void *arg)
{
	struct await *s = xcalloc(1, sizeof(*s));
	const struct entry *e;

	MAGIC_CHECK(b, BACKUP_MAGIC);
	*s = (struct await){.magic = AWAIT_MAGIC,
		.b = b,
		.id = t ? str_dup(t->id) : NULL,
		.done = done,
		.arg = arg};
	list_init(&s->node);
	list_append(&b->awaits, &s->node);
	e = find_pending(s);
	if (e)
		timer_set(&s->limit, b->loop, msec_limit(e->detach_began, b->limits.sync_timeout),
			on_await_limit);
	else
		end_wait(s, "", NULL);
}

void backup_await_no_longer(struct backup *b)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	list_foreach_safe (s, &b->awaits, struct await, node)
		if (!s->id)
			on_await_limit(&s->limit);
}
