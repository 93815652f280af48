/* found.c - looks for the fleet's machines, and makes them part of the configuration. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/found.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/log.h"
#include "supervisor/supervisor_int.h"
#include "target/target.h"

/* msec */
#define FIRST_LIMIT 2000   /* that clients wait for at a start */
#define PAUSE	    300000 /* between two looks */
#define PAUSE_AGAIN 5000   /* at least, whatever happens */

/* Sorted by name.  Not changed any more once it is in force. */
struct found_set {
	atomic_uint references;
	struct arena arena;
	struct machine_conf *items;
	size_t count;
};

/* --- sets --- */

static struct found_set *set_new(void)
{
	struct found_set *set = xcalloc(1, sizeof(*set));

	atomic_init(&set->references, 1);
	return set;
}

struct found_set *found_take(const struct supervisor *s)
{
	struct found_set *set = s->fleet.found.set;

	if (set)
		atomic_fetch_add(&set->references, 1);
	return set;
}

void found_release(struct found_set *set)
{
	if (!set || atomic_fetch_sub(&set->references, 1) != 1)
		return;
	arena_done(&set->arena);
	free(set->items);
	free(set);
}

void found_add_to(const struct found_set *set, struct config_source *source)
{
	source->found = set ? set->items : NULL;
	source->nfound = set ? set->count : 0;
}

static int compare(const void *a, const void *b)
{
	const struct machine_conf *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

static bool is_same_set(const struct found_set *a, const struct found_set *b)
{
	if (!a || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!str_eq(a->items[i].name, b->items[i].name) ||
			!str_eq(a->items[i].region, b->items[i].region))
			return false;
	return true;
}

/* --- a look --- */

static void note_machine(void *arg, const struct target_machine *m)
{
	struct supervisor *s = arg;
	struct found_set *set = s->fleet.found.next;

	set->items = xrealloc(set->items, (set->count + 1) * sizeof(*set->items));
	set->items[set->count++] = (struct machine_conf){
		.name = arena_dup(&set->arena, m->name),
		.address = STR_EMPTY, /* of those that come and go it is asked for each time */
		.region = arena_dup(&set->arena, m->region),
		.is_of_target = true,
	};
}

static bool is_by_region(const struct config *c)
{
	for (size_t i = 0; i < c->ntenants; i++)
		if (c->tenants[i].region.n && !c->tenants[i].machine.n)
			return true;
	return false;
}

static bool is_needed(const struct supervisor *s)
{
	return target_discovers(s->target) && is_by_region(s->conf);
}

static void on_time(struct timer *t)
{
	found_look(container_of(t, struct supervisor, fleet.found.timer));
}

static void look_later(struct supervisor *s, msec pause)
{
	if (!s->end.is_ending && is_needed(s))
		timer_set(&s->fleet.found.timer, s->loop, loop_now(s->loop) + pause, on_time);
}

/* True: others than before. */
static bool take_next(struct supervisor *s)
{
	struct discovery *f = &s->fleet.found;
	struct found_set *before = f->set;

	qsort(f->next->items, f->next->count, sizeof(*f->next->items), compare);
	if (!f->next->count || is_same_set(before, f->next)) {
		found_release(f->next);
		f->next = NULL;
		return false;
	}
	f->set = f->next;
	f->next = NULL;
	found_release(before);
	log_info("the fleet has %zu machine%s", f->set->count, f->set->count == 1 ? "" : "s");
	return true;
}

/* True: what was found is other than before. */
static bool end_look(struct supervisor *s, const struct target_result *r)
{
	struct discovery *f = &s->fleet.found;

	f->is_looking = false;
	if (r->error) {
		found_release(f->next);
		f->next = NULL;
		if (r->error != -ECANCELED) {
			log_warn(
				"the fleet's machines cannot be listed, those that are known stay: %s",
				r->reason);
			look_later(s, MAX(r->retry_after, (msec)PAUSE_AGAIN));
		}
		return false;
	}
	look_later(s, PAUSE);
	return take_next(s);
}

static void on_listed(void *arg, const struct target_result *r)
{
	struct supervisor *s = arg;

	if (end_look(s, r) && !s->end.is_ending)
		s->fleet.found.on_change(s);
	if (s->fleet.found.is_wanted_again && r->error != -ECANCELED) {
		s->fleet.found.is_wanted_again = false;
		found_look(s);
	}
}

static void look(struct supervisor *s, target_done_fn *done)
{
	s->fleet.found.is_looking = true;
	s->fleet.found.looked_at = loop_now(s->loop);
	s->fleet.found.next = set_new();
	timer_cancel(&s->fleet.found.timer);
	target_list(s->target, note_machine, done, s);
}

void found_look(struct supervisor *s)
{
	if (s->end.is_ending || !is_needed(s))
		return;
	if (s->fleet.found.is_looking)
		s->fleet.found.is_wanted_again = true;
	else if (s->fleet.found.looked_at &&
		 loop_now(s->loop) < s->fleet.found.looked_at + PAUSE_AGAIN)
		timer_set(&s->fleet.found.timer, s->loop, s->fleet.found.looked_at + PAUSE_AGAIN,
			on_time);
	else
		look(s, on_listed);
}

void found_configure(struct supervisor *s)
{
	if (!is_needed(s))
		timer_cancel(&s->fleet.found.timer);
	else if (!s->fleet.found.is_looking && !timer_is_set(&s->fleet.found.timer))
		found_look(s);
}

void found_stop(struct supervisor *s)
{
	timer_cancel(&s->fleet.found.timer);
	s->fleet.found.is_wanted_again = false;
}

void found_done(struct supervisor *s)
{
	timer_cancel(&s->fleet.found.timer);
	found_release(s->fleet.found.next);
	found_release(s->fleet.found.set);
	s->fleet.found.next = s->fleet.found.set = NULL;
}

/* --- the first one --- */

static void on_limit(struct timer *t)
{
	loop_stop(t->loop);
}

static void on_first_listed(void *arg, const struct target_result *r)
{
	struct supervisor *s = arg;

	/* Later than we waited it is a look like any other. */
	if (!s->fleet.found.is_first) {
		on_listed(arg, r);
		return;
	}
	s->fleet.found.is_first = false;
	(void)!end_look(s, r);
	loop_stop(s->loop);
}

bool found_begin(struct supervisor *s)
{
	struct timer limit = {0};

	if (!is_needed(s))
		return false;
	s->fleet.found.is_first = true;
	look(s, on_first_listed);
	timer_set(&limit, s->loop, loop_now(s->loop) + FIRST_LIMIT, on_limit);
	loop_run(s->loop);
	timer_cancel(&limit);
	s->fleet.found.is_first = false;
	return s->fleet.found.set;
}
