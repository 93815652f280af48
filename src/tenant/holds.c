/* holds.c - the list of holds, each with its name and end. */
/* SPDX-License-Identifier: MIT */
#include "tenant/holds.h"

#include <stdlib.h>

#include "base/alloc.h"

struct hold {
	struct list link; /* holds.all */
	msec until;
	char *name;
};

void holds_init(struct holds *h)
{
	list_init(&h->all);
	h->ended = 0;
}

static void hold_free(struct hold *hold)
{
	list_remove(&hold->link);
	free(hold->name);
	free(hold);
}

msec holds_last(const struct holds *h)
{
	msec last = h->ended;

	list_foreach (hold, &h->all, struct hold, link)
		last = MAX(last, hold->until);
	return last;
}

size_t holds_count(const struct holds *h, msec now)
{
	size_t n = 0;

	list_foreach (hold, &h->all, struct hold, link)
		n += hold->until > now;
	return n;
}

static void end_hold(struct holds *h, struct hold *hold, msec now)
{
	h->ended = MAX(h->ended, MIN(hold->until, now));
	hold_free(hold);
}

/* Those that would be over by then. */
static void end_until(struct holds *h, msec moment, msec now)
{
	struct list all;

	list_take_all(&all, &h->all);
	while (!list_is_empty(&all)) {
		struct hold *hold = container_of(list_pop(&all), struct hold, link);

		if (hold->until <= moment)
			end_hold(h, hold, now);
		else
			list_append(&h->all, &hold->link);
	}
}

static struct hold *find_hold(const struct holds *h, str name, size_t *ret_count)
{
	struct hold *found = NULL;

	*ret_count = 0;
	list_foreach (hold, &h->all, struct hold, link) {
		++*ret_count;
		if (str_eq(str_of(hold->name), name))
			found = hold;
	}
	return found;
}

static struct hold *hold_new(struct holds *h, str name)
{
	struct hold *hold = xcalloc(1, sizeof(*hold));

	hold->name = str_dup(name);
	list_init(&hold->link);
	list_append(&h->all, &hold->link);
	return hold;
}

int holds_set(struct holds *h, msec now, str name, msec length)
{
	struct hold *hold;
	size_t count;

	end_until(h, now, now); /* there may be many names */
	hold = find_hold(h, name, &count);
	if (!length) {
		if (!name.n)
			end_until(h, MSEC_NEVER, now);
		else if (hold)
			end_hold(h, hold, now);
		return 0;
	}
	if (!hold && count >= HOLDS_MAX)
		return -EBUSY;
	if (!hold)
		hold = hold_new(h, name);
	hold->until = now + length;
	return 0;
}

void holds_done(struct holds *h)
{
	while (!list_is_empty(&h->all))
		hold_free(container_of(list_pop(&h->all), struct hold, link));
}
