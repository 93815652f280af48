/* busy.c - keeps a tenant awake for as long as somebody says that it is at work. */
/* SPDX-License-Identifier: MIT */
#include "tenant/busy.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "tenant/tenant_int.h"

struct busy_hold {
	struct list link; /* busy.holds */
	msec until;
	char *name;
};

static void hold_free(struct busy_hold *h)
{
	list_remove(&h->link);
	free(h->name);
	free(h);
}

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
	msec last = MAX(said_by_itself(t), t->run->busy.ended);

	MAGIC_CHECK(t, TENANT_MAGIC);
	list_foreach (h, &t->run->busy.holds, struct busy_hold, link)
		last = MAX(last, h->until);
	return last;
}

bool busy_is(const struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	return busy_last(t) > now_of(t);
}

static void end_hold(struct tenant *t, struct busy_hold *h)
{
	t->run->busy.ended = MAX(t->run->busy.ended, MIN(h->until, now_of(t)));
	hold_free(h);
}

/* Those that would be over by then. */
static void end_until(struct tenant *t, msec moment)
{
	struct list all;

	list_take_all(&all, &t->run->busy.holds);
	while (!list_is_empty(&all)) {
		struct busy_hold *h = container_of(list_pop(&all), struct busy_hold, link);

		if (h->until <= moment)
			end_hold(t, h);
		else
			list_append(&t->run->busy.holds, &h->link);
	}
}

static void end_all(struct tenant *t)
{
	end_until(t, MSEC_NEVER);
	if (said_by_itself(t) > now_of(t))
		t->run->busy.ended = now_of(t);
	slot_say_busy(tenant_slot(t), 0);
}

static struct busy_hold *find_hold(struct tenant *t, str name, size_t *ret_count)
{
	struct busy_hold *found = NULL;

	*ret_count = 0;
	list_foreach (h, &t->run->busy.holds, struct busy_hold, link) {
		++*ret_count;
		if (str_eq(str_of(h->name), name))
			found = h;
	}
	return found;
}

static struct busy_hold *hold_new(struct tenant *t, str name)
{
	struct busy_hold *h = xcalloc(1, sizeof(*h));

	h->name = str_dup(name);
	list_init(&h->link);
	list_append(&t->run->busy.holds, &h->link);
	return h;
}

static int extend(struct tenant *t, struct busy_hold *h, size_t count, str name, msec length)
{
	msec max = t->run->conf->app->busy_max;

	if (!max)
		return -EPERM;
	if (!h && count >= BUSY_HOLDS_MAX)
		return -EBUSY;
	if (!h)
		h = hold_new(t, name);
	h->until = now_of(t) + MIN(length, max);
	return 0;
}

int busy_hold(struct tenant *t, str name, msec length)
{
	struct busy_hold *h;
	size_t count;
	int r = 0;

	MAGIC_CHECK(t, TENANT_MAGIC);
	end_until(t, now_of(t)); /* there may be many names */
	h = find_hold(t, name, &count);
	if (length)
		r = extend(t, h, count, name, length);
	else if (!name.n)
		end_all(t);
	else if (h)
		end_hold(t, h);
	return r;
}

void busy_forget(struct tenant_run *run)
{
	MAGIC_CHECK(run, TENANT_RUN_MAGIC);
	while (!list_is_empty(&run->busy.holds))
		hold_free(container_of(list_pop(&run->busy.holds), struct busy_hold, link));
}
