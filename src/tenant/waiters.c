/* waiters.c - tells operators how what they asked for has ended. */
/* SPDX-License-Identifier: MIT */
#include "tenant/waiters.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/magic.h"
#include "tenant/tenant_int.h"

enum { WAITER_MAGIC = MAGIC('w', 't', 'e', 'r') };

struct waiter {
	uint32_t magic;
	struct list link;
	enum waiter_kind kind;
	control_done_fn *done;
	void *arg;
	int err;
	char *reason;
};

static void tell_end(void *arg)
{
	struct waiter *w = arg;

	MAGIC_CHECK(w, WAITER_MAGIC);
	w->done(w->arg, w->err, str_of(w->reason));
	free(w->reason);
	MAGIC_END(w, WAITER_MAGIC);
	free(w);
}

static void end_waiter(struct waiter *w, struct loop *l, int err, const char *reason)
{
	list_remove(&w->link);
	w->err = err;
	w->reason = xstrdup(reason);
	loop_defer(l, tell_end, w);
}

static struct waiter *waiter_new(enum waiter_kind kind, control_done_fn *done, void *arg)
{
	struct waiter *w = xcalloc(1, sizeof(*w));

	*w = (struct waiter){.magic = WAITER_MAGIC, .kind = kind, .done = done, .arg = arg};
	list_init(&w->link);
	return w;
}

void waiters_answer(struct loop *l, control_done_fn *done, void *arg, int err, const char *reason)
{
	end_waiter(waiter_new(WAIT_RUNNING, done, arg), l, err, reason);
}

static void check_running(struct waiter *w, struct tenant *t)
{
	struct loop *l = t->all->loop;

	if (t->life.state == TENANT_RUNNING)
		end_waiter(w, l, 0, "");
	else if (t->life.state == TENANT_FAILED && !t->life.is_wanted)
		end_waiter(w, l, -EIO, t->faults.reason ? t->faults.reason : "it failed");
	else if (state_is_asleep(t->life.state) && !t->life.is_wanted)
		end_waiter(w, l, -ECANCELED, "it was stopped meanwhile");
}

/* A stop is over when the last state is in the store. */
static void on_stop_settled(void *arg, const struct backup_result *r)
{
	struct waiter *w = arg;

	MAGIC_CHECK(w, WAITER_MAGIC);
	w->err = r->is_ok ? 0 : -EIO;
	w->reason = r->is_ok ? xstrdup("")
			     : xasprintf("its last state is not in the store: %s", r->reason);
	tell_end(w);
}

static void check_stopped(struct waiter *w, struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);

	if (!state_is_asleep(t->life.state))
		return;
	if (!conf) {
		end_waiter(w, t->all->loop, 0, "");
		return;
	}
	list_remove(&w->link);
	backup_await(t->all->backup, conf, on_stop_settled, w);
}

static void check_waiter(struct waiter *w, struct tenant *t)
{
	switch (w->kind) {
	case WAIT_RUNNING:
		check_running(w, t);
		break;
	case WAIT_STOPPED:
		check_stopped(w, t);
		break;
	case WAIT_RESTARTED:
		if (state_is_asleep(t->life.state))
			w->kind = WAIT_RUNNING;
		break;
	}
}

void waiters_add(struct tenant *t, enum waiter_kind kind, control_done_fn *done, void *arg)
{
	struct waiter *w = waiter_new(kind, done, arg);

	MAGIC_CHECK(t, TENANT_MAGIC);
	list_append(&t->waiters, &w->link);
	check_waiter(w, t);
}

void waiters_check(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	list_foreach_safe (w, &t->waiters, struct waiter, link)
		check_waiter(w, t);
}

void waiters_cancel(struct tenant *t, const char *reason)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	list_foreach_safe (w, &t->waiters, struct waiter, link)
		end_waiter(w, t->all->loop, -ECANCELED, reason);
}
