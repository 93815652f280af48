/* sleep.c - the tenants, while the machine as a whole goes to sleep and is resumed. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tenant/tenant_int.h"

bool tenants_are_idle(const struct tenants *all, bool rested, msec *ret_since)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (rested && !list_is_empty(&all->awake))
		return false;
	list_foreach (t, &all->awake, struct tenant, in_awake) {
		if (t->life.state != TENANT_RUNNING || busy_is(t))
			return false;
		*ret_since = MAX(*ret_since, busy_last(t));
	}
	return true;
}

void tenants_put_to_sleep(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	list_foreach_safe (t, &all->awake, struct tenant, in_awake)
		idle_stop(t);
}

/* --- something that is asked of each that runs --- */

struct inquiry {
	struct tenants *all;
	struct backup_result result;
	size_t waits; /* for so many, and for the end of the call that asks */
	backup_fn *done;
	void *arg;
};

static void answer(struct inquiry *q)
{
	if (--q->waits)
		return;
	q->done(q->arg, &q->result);
	free(q);
}

static void on_all_asked(void *arg)
{
	answer(arg);
}

static struct inquiry *inquiry_new(struct tenants *all, backup_fn *done, void *arg)
{
	struct inquiry *q = xcalloc(1, sizeof(*q));

	*q = (struct inquiry){
		.all = all, .result = {.is_ok = true}, .waits = 1, .done = done, .arg = arg};
	loop_defer(all->loop, on_all_asked, q);
	return q;
}

/* The first reason stays. */
static void note_fault(struct inquiry *q, str id, const char *why)
{
	if (!q->result.is_ok)
		return;
	q->result.is_ok = false;
	snprintf(q->result.reason, sizeof(q->result.reason), STR_FMT ": %.400s", STR_ARG(id), why);
}

/* One question to the backup, about one tenant. */
struct one_asked {
	struct inquiry *inquiry;
	struct tenant *tenant;
};

static struct one_asked *one_asked_new(struct inquiry *q, struct tenant *t)
{
	struct one_asked *one = xmalloc(sizeof(*one));

	*one = (struct one_asked){q, t};
	q->waits++;
	t->run->backups++;
	return one;
}

static bool is_asked(const struct tenant *t)
{
	return t->life.state == TENANT_RUNNING && tenant_uses_backup(t);
}

/* --- are they confirmed? --- */

static void on_stored(void *arg, const struct backup_result *r)
{
	struct one_asked *one = arg;
	struct tenant *t = one->tenant;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!r->is_ok || r->reason[0])
		note_fault(one->inquiry, t->run->conf->id, r->reason);
	run_came_back(t);
	answer(one->inquiry);
	free(one);
}

void tenants_confirm(struct tenants *all, backup_fn *done, void *arg)
{
	struct inquiry *q = inquiry_new(all, done, arg);

	MAGIC_CHECK(all, TENANTS_MAGIC);
	list_foreach (t, &all->awake, struct tenant, in_awake)
		if (is_asked(t))
			backup_attach(all->backup, t->run->conf, on_stored, one_asked_new(q, t));
}

/* --- are they still ours? --- */

static void give_up(struct tenant *t, const char *why)
{
	LOG_LEVEL_HERE(tenant_log_level(t));

	log_error("tenant " STR_FMT
		  ": %s; it is stopped, and what this copy wrote since is not served",
		STR_ARG(t->run->conf->id), why);
	tenant_event(t, EVENT_STOP);
}

static void on_owned(void *arg, const struct backup_result *r)
{
	struct one_asked *one = arg;
	struct tenant *t = one->tenant;
	bool is_lost = !r->is_ok && r->is_lost;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!r->is_ok && !is_lost)
		note_fault(one->inquiry, t->run->conf->id, r->reason);
	if (run_came_back(t) && is_lost && t->life.state == TENANT_RUNNING)
		give_up(t, r->reason);
	answer(one->inquiry);
	free(one);
}

void tenants_recheck(struct tenants *all, backup_fn *done, void *arg)
{
	struct inquiry *q = inquiry_new(all, done, arg);

	MAGIC_CHECK(all, TENANTS_MAGIC);
	list_foreach (t, &all->awake, struct tenant, in_awake)
		if (is_asked(t))
			backup_recheck(all->backup, t->run->conf, on_owned, one_asked_new(q, t));
}

void tenants_resume(struct tenants *all, backup_fn *done, void *arg)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	list_foreach_safe (t, &all->awake, struct tenant, in_awake)
		if (t->life.state == TENANT_RUNNING) {
			/* Asleep is not idle. */
			atomic_store(&tenant_slot(t)->last_activity, loop_now(all->loop));
			idle_rearm(t);
		}
	tenants_recheck(all, done, arg);
}
