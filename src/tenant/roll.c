/* roll.c - restart --all: marks the awake tenants, and reports to those who asked. */
/* SPDX-License-Identifier: MIT */
#include "tenant/roll.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tenant/replace.h"
#include "tenant/tenant_int.h"

struct listener {
	struct list link;   /* rolling.listeners */
	struct timer limit; /* first: of the turn after that in which it came */
	msec timeout;	    /* 0: none */
	struct tenants *all;
	control_rolled_fn *each;
	void *arg;
	struct control_roll_counts counts;
};

void rolling_init(struct rolling *r)
{
	*r = (struct rolling){0};
	list_init(&r->listeners);
}

/* --- those who asked --- */

static str id_of(const struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);

	return conf ? conf->id : STR("?");
}

static void count_rolled(struct control_roll_counts *c, enum control_rolled what)
{
	switch (what) {
	case ROLLED_WAITS:
	case ROLLED_OVER:
	case CONTROL_NROLLED:
		break;
	case ROLLED_REPLACED:
		c->replaced++;
		break;
	case ROLLED_ASLEEP:
		c->asleep++;
		break;
	case ROLLED_FAILED:
		c->failed++;
		break;
	case ROLLED_KEPT:
		c->kept++;
		break;
	}
}

static void tell_listener(
	struct listener *l, const struct tenant *t, enum control_rolled what, str why)
{
	struct control_rolled_tenant told = {
		.what = what, .id = id_of(t), .reason = why, .wake = t->wake};

	count_rolled(&l->counts, what);
	l->each(l->arg, &told);
}

static void tell_all(const struct tenant *t, enum control_rolled what, str why)
{
	list_foreach (l, &t->all->rolling.listeners, struct listener, link)
		tell_listener(l, t, what, why);
}

/* why_early is empty at the real end; goes_on: for others than this listener. */
static void end_listener(struct listener *l, const char *why_early, bool goes_on)
{
	struct control_rolled_tenant told = {.what = ROLLED_OVER,
		.id = STR_EMPTY,
		.reason = str_of(why_early),
		.counts = l->counts,
		.goes_on = goes_on};

	told.counts.waiting = l->all->rolling.members;
	timer_cancel(&l->limit);
	list_remove(&l->link);
	l->each(l->arg, &told);
	loop_defer_free(l->all->loop, l);
}

static void tell_waiting(struct listener *l, const struct tenant *t)
{
	struct buf why = {0};

	replace_describe(t, &why);
	tell_listener(l, t, ROLLED_WAITS, buf_str(&why));
	buf_done(&why);
}

static void on_roll_limit(struct timer *timer)
{
	struct listener *l = container_of(timer, struct listener, limit);
	struct tenants *all = l->all;

	for (uint32_t slot = 0; slot < all->nslots; slot++)
		if (all->items[slot] && all->items[slot]->replacement.is_in_roll)
			tell_waiting(l, all->items[slot]);
	end_listener(l, "the time is over", true);
}

void roll_on_waiting(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!t->replacement.is_in_roll || t->replacement.has_told_waiting)
		return;
	t->replacement.has_told_waiting = true;
	list_foreach (l, &t->all->rolling.listeners, struct listener, link)
		tell_waiting(l, t);
}

static void end_if_over(struct tenants *all)
{
	if (all->rolling.members)
		return;
	list_foreach_safe (l, &all->rolling.listeners, struct listener, link)
		end_listener(l, "", false);
}

/* --- the members --- */

static void join_roll(struct tenant *t, bool is_hurried)
{
	t->run->mark.is_outdated = true;
	t->run->mark.is_hurried |= is_hurried;
	replace_mark(t);
	if (!t->replacement.is_in_roll)
		t->all->rolling.members++;
	t->replacement.is_in_roll = true;
	t->replacement.has_told_waiting = false;
}

/* Every tenant with a process that was started before now; the prepare command is one, too. */
static bool may_be_outdated(const struct tenant *t)
{
	return t->life.state == TENANT_PREPARING || t->life.state == TENANT_STARTING ||
	       t->life.state == TENANT_RUNNING;
}

static void leave(struct tenant *t, enum control_rolled what, str why)
{
	t->replacement.is_in_roll = false;
	t->all->rolling.members--;
	tell_all(t, what, why);
}

/* Those that are about to be replaced are on their way, and so are those of which a new copy has
 * been started by others; all others keep what they have. */
static bool keeps_copy(const struct tenant *t)
{
	return t->replacement.is_in_roll && t->run->mark.is_outdated && may_be_outdated(t) &&
	       !t->replacement.is_under_way;
}

static void stop_roll(struct tenants *all)
{
	list_foreach (t, &all->awake, struct tenant, in_awake) {
		if (!keeps_copy(t))
			continue;
		t->run->mark.is_outdated = t->run->mark.is_hurried = false;
		replace_unmark(t);
		leave(t, ROLLED_KEPT, STR_EMPTY);
	}
}

static void on_failed(struct tenant *t)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	struct tenants *all = t->all;

	leave(t, ROLLED_FAILED, str_of(t->faults.reason ? t->faults.reason : "it failed"));
	if (all->rolling.keeps_going)
		return;
	log_error(
		"the restart of all tenants stops: " STR_FMT " does not start", STR_ARG(id_of(t)));
	stop_roll(all);
}

void roll_check(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!t->replacement.is_in_roll)
		return;
	if (t->life.state == TENANT_RUNNING && !t->run->mark.is_outdated)
		leave(t, ROLLED_REPLACED, STR_EMPTY);
	else if (t->life.state == TENANT_FAILED && !t->life.is_wanted)
		on_failed(t);
	else if (state_is_asleep(t->life.state) && !t->life.is_wanted)
		leave(t, ROLLED_ASLEEP, STR_EMPTY);
	else
		return;
	end_if_over(t->all);
}

void roll_forget(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!t->replacement.is_in_roll)
		return;
	leave(t, ROLLED_ASLEEP, STR("it was removed"));
	end_if_over(t->all);
}

/* --- the beginning and the end --- */

static void on_begin(struct timer *timer)
{
	struct listener *l = container_of(timer, struct listener, limit);

	if (!l->all->rolling.members)
		end_listener(l, "", false);
	else if (l->timeout)
		timer_set(timer, l->all->loop, loop_now(l->all->loop) + l->timeout, on_roll_limit);
}

void roll_give_up(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	list_foreach_safe (l, &all->rolling.listeners, struct listener, link)
		end_listener(l, "fly-atc is about to end", false);
}

const char *roll_start(
	struct tenants *all, const struct control_roll *how, control_rolled_fn *each, void *arg)
{
	struct listener *l;

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (all->is_ending)
		return "fly-atc is about to end";
	l = xcalloc(1, sizeof(*l));
	*l = (struct listener){.all = all, .timeout = how->timeout, .each = each, .arg = arg};
	list_init(&l->link);
	list_append(&all->rolling.listeners, &l->link);
	timer_set(&l->limit, all->loop, loop_now(all->loop), on_begin);
	all->rolling.keeps_going = how->keeps_going;
	list_foreach (t, &all->awake, struct tenant, in_awake)
		if (may_be_outdated(t))
			join_roll(t, how->is_hurried);
	log_info("restart of all tenants: %zu are to be replaced", all->rolling.members);
	replace_soon(all);
	return NULL;
}
