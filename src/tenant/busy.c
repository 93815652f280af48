/* busy.c - keeps a tenant awake for as long as somebody says that it is at work. */
/* SPDX-License-Identifier: MIT */
#include "tenant/busy.h"

#include "tenant/tenant_int.h"

static msec now_of(const struct tenant *t)
{
	return loop_now(t->all->loop);
}

/* The proxy is not trusted to respect the limit. */
static msec said_by_itself(const struct tenant *t)
{
	return MIN(
		atomic_load(&tenant_slot(t)->busy_until), now_of(t) + t->run->conf->app->busy_max);
}

msec busy_last(const struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	return MAX(said_by_itself(t), holds_last(&t->run->holds));
}

bool busy_is(const struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	return busy_last(t) > now_of(t);
}

static void end_what_it_says(struct tenant *t)
{
	if (said_by_itself(t) > now_of(t))
		t->run->holds.ended = now_of(t);
	slot_say_busy(tenant_slot(t), 0);
}

int busy_hold(struct tenant *t, str name, msec length)
{
	msec max = t->run->conf->app->busy_max;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (length && !max)
		return -EPERM;
	if (!length && !name.n)
		end_what_it_says(t);
	return holds_set(&t->run->holds, now_of(t), name, MIN(length, max));
}
