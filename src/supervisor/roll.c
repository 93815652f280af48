/* roll.c - the restart of all tenants that are awake, one after the other. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/roll.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "supervisor/replace.h"
#include "supervisor/supervisor_int.h"

struct listener {
	struct list link;   /* rolling.listeners */
	struct timer limit; /* first: of the turn after that in which it came */
	msec timeout;	    /* 0: none */
	struct supervisor *sup;
	control_rolled_fn *each;
	void *arg;
	struct control_roll_counts counts;
};

void rolling_init(struct rolling *r)
{
	*r = (struct rolling){0};
	list_init(&r->listeners);
}

/* --- those who listen --- */

static str id_of(const struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);

	return conf ? conf->id : STR("?");
}

static void count(struct control_roll_counts *c, enum control_rolled what)
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

static void tell(struct listener *l, const struct tenant *t, enum control_rolled what, str why)
{
	struct control_rolled_tenant told = {
		.what = what, .id = id_of(t), .reason = why, .wake = t->wake};

	count(&l->counts, what);
	l->each(l->arg, &told);
}

static void tell_all(const struct tenant *t, enum control_rolled what, str why)
{
	list_foreach (l, &t->sup->rolling.listeners, struct listener, link)
		tell(l, t, what, why);
}

/* why_early is empty at the true end; goes_on: for others than this listener. */
static void end_listener(struct listener *l, const char *why_early, bool goes_on)
{
	struct control_rolled_tenant told = {.what = ROLLED_OVER,
		.id = STR_EMPTY,
		.reason = str_of(why_early),
		.counts = l->counts,
		.goes_on = goes_on};

	told.counts.waiting = l->sup->rolling.members;
	timer_cancel(&l->limit);
	list_remove(&l->link);
	l->each(l->arg, &told);
	loop_defer_free(l->sup->loop, l);
}

static void tell_waiting(struct listener *l, const struct tenant *t)
{
	struct buf why = {0};

	replace_describe(t, &why);
	tell(l, t, ROLLED_WAITS, buf_str(&why));
	buf_done(&why);
}

static void on_limit(struct timer *timer)
{
	struct listener *l = container_of(timer, struct listener, limit);
	struct supervisor *s = l->sup;

	for (uint32_t slot = 0; slot < s->nslots; slot++)
		if (s->tenants[slot] && s->tenants[slot]->is_in_roll)
			tell_waiting(l, s->tenants[slot]);
	end_listener(l, "the time is over", true);
}

void roll_on_waiting(struct tenant *t)
{
	if (!t->is_in_roll || t->has_told_waiting)
		return;
	t->has_told_waiting = true;
	list_foreach (l, &t->sup->rolling.listeners, struct listener, link)
		tell_waiting(l, t);
}

static void end_if_over(struct supervisor *s)
{
	if (s->rolling.members)
		return;
	list_foreach_safe (l, &s->rolling.listeners, struct listener, link)
		end_listener(l, "", false);
}

/* --- the members --- */

static void join(struct tenant *t, bool is_hurried)
{
	t->run->is_outdated = true;
	t->run->is_hurried |= is_hurried;
	replace_mark(t);
	if (!t->is_in_roll)
		t->sup->rolling.members++;
	t->is_in_roll = true;
	t->has_told_waiting = false;
}

/* Whoever has a process that came into being before now; the prepare command is one, too. */
static bool may_be_outdated(const struct tenant *t)
{
	return t->life.state == TENANT_PREPARING || t->life.state == TENANT_STARTING ||
	       t->life.state == TENANT_RUNNING;
}

static void leave(struct tenant *t, enum control_rolled what, str why)
{
	t->is_in_roll = false;
	t->sup->rolling.members--;
	tell_all(t, what, why);
}

/* Those that are about to be replaced are on their way, and so are those of which somebody else has
 * started a new copy; all others keep what they have. */
static bool keeps_copy(const struct tenant *t)
{
	return t->is_in_roll && t->run->is_outdated && may_be_outdated(t) && !t->is_being_replaced;
}

static void stop_roll(struct supervisor *s)
{
	list_foreach (t, &s->awake, struct tenant, in_awake) {
		if (!keeps_copy(t))
			continue;
		t->run->is_outdated = t->run->is_hurried = false;
		replace_unmark(t);
		leave(t, ROLLED_KEPT, STR_EMPTY);
	}
}

static void on_failed(struct tenant *t)
{
	struct supervisor *s = t->sup;

	leave(t, ROLLED_FAILED, str_of(t->reason ? t->reason : "it failed"));
	if (s->rolling.keeps_going)
		return;
	log_error(
		"the restart of all tenants stops: " STR_FMT " does not start", STR_ARG(id_of(t)));
	stop_roll(s);
}

void roll_check(struct tenant *t)
{
	if (!t->is_in_roll)
		return;
	if (t->life.state == TENANT_RUNNING && !t->run->is_outdated)
		leave(t, ROLLED_REPLACED, STR_EMPTY);
	else if (t->life.state == TENANT_FAILED && !t->life.is_wanted)
		on_failed(t);
	else if (tenant_is_asleep(t) && !t->life.is_wanted)
		leave(t, ROLLED_ASLEEP, STR_EMPTY);
	else
		return;
	end_if_over(t->sup);
}

void roll_forget(struct tenant *t)
{
	if (!t->is_in_roll)
		return;
	leave(t, ROLLED_ASLEEP, STR("it was removed"));
	end_if_over(t->sup);
}

/* --- the beginning and the end --- */

static void on_begin(struct timer *timer)
{
	struct listener *l = container_of(timer, struct listener, limit);

	if (!l->sup->rolling.members)
		end_listener(l, "", false);
	else if (l->timeout)
		timer_set(timer, l->sup->loop, loop_now(l->sup->loop) + l->timeout, on_limit);
}

void roll_give_up(struct supervisor *s)
{
	list_foreach_safe (l, &s->rolling.listeners, struct listener, link)
		end_listener(l, "fly-atc is about to end", false);
}

const char *roll_start(
	struct supervisor *s, const struct control_roll *how, control_rolled_fn *each, void *arg)
{
	struct listener *l;

	if (s->is_ending)
		return "fly-atc is about to end";
	l = xcalloc(1, sizeof(*l));
	*l = (struct listener){.sup = s, .timeout = how->timeout, .each = each, .arg = arg};
	list_init(&l->link);
	list_append(&s->rolling.listeners, &l->link);
	timer_set(&l->limit, s->loop, loop_now(s->loop), on_begin);
	s->rolling.keeps_going = how->keeps_going;
	list_foreach (t, &s->awake, struct tenant, in_awake)
		if (may_be_outdated(t))
			join(t, how->is_hurried);
	log_info("restart of all tenants: %zu are to be replaced", s->rolling.members);
	replace_soon(s);
	return NULL;
}
