/* timer.c - a binary heap of timers; a timer that is only ever moved later stays where it is until
 * it comes up. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "loop/loop_int.h"

static void place_timer(struct timer_heap *h, uint32_t slot, struct timer *t)
{
	assert(slot && slot <= h->count);
	h->items[slot] = t;
	t->slot = slot;
}

static void sift_up(struct timer_heap *h, uint32_t slot, struct timer *t)
{
	while (slot > 1 && h->items[slot / 2]->key > t->key) {
		place_timer(h, slot, h->items[slot / 2]);
		slot /= 2;
	}
	place_timer(h, slot, t);
}

static void sift_down(struct timer_heap *h, uint32_t slot, struct timer *t)
{
	for (;;) {
		uint32_t child = slot * 2;

		if (child > h->count)
			break;
		if (child < h->count && h->items[child + 1]->key < h->items[child]->key)
			child++;
		if (h->items[child]->key >= t->key)
			break;
		place_timer(h, slot, h->items[child]);
		slot = child;
	}
	place_timer(h, slot, t);
}

static void heap_remove(struct timer_heap *h, struct timer *t)
{
	uint32_t slot = t->slot;
	struct timer *last;

	assert(slot && slot <= h->count && h->items[slot] == t);
	last = h->items[h->count--];

	t->slot = 0;
	if (last == t)
		return;
	if (slot > 1 && h->items[slot / 2]->key > last->key)
		sift_up(h, slot, last);
	else
		sift_down(h, slot, last);
}

static void heap_insert(struct timer_heap *h, struct timer *t)
{
	assert(!t->slot && h->count < UINT32_MAX / 4);
	if (h->count + 1 >= h->cap) {
		h->cap = h->cap ? h->cap * 2 : 64;
		h->items = xrealloc(h->items, h->cap * sizeof(*h->items));
	}
	h->count++;
	sift_up(h, h->count, t);
}

void timer_set(struct timer *t, struct loop *l, msec at, timer_fn *on_time)
{
	struct timer_heap *h = loop_timers(l);

	at = MAX(at, h->earliest);
	t->loop = l;
	t->on_time = on_time;
	t->at = at;
	if (t->slot && at >= t->key)
		return; /* it stays where it is */
	assert(on_time && loop_is_own(l));
	if (t->slot)
		heap_remove(h, t);
	t->key = at;
	heap_insert(h, t);
}

void timer_cancel(struct timer *t)
{
	if (!t->slot)
		return;
	assert(loop_is_own(t->loop));
	heap_remove(loop_timers(t->loop), t);
	assert(!timer_is_set(t));
}

/* Brings the real first timer to the top: those that were moved later sink to their place. */
msec timer_heap_next(struct timer_heap *h)
{
	while (h->count) {
		struct timer *t = h->items[1];

		if (t->at == t->key)
			return t->key;
		assert(t->slot == 1 && t->at > t->key);
		t->key = t->at;
		sift_down(h, 1, t);
	}
	return MSEC_NEVER;
}

void timer_heap_fire(struct timer_heap *h, msec now)
{
	assert(!h->earliest); /* a timer does not fire others */
	h->earliest = now + 1;
	while (timer_heap_next(h) <= now) {
		struct timer *t = h->items[1];

		assert(t->at <= now && t->on_time);
		heap_remove(h, t);
		t->on_time(t);
	}
	h->earliest = 0;
}

void timer_heap_done(struct timer_heap *h)
{
	assert(!h->count);
	free(h->items);
	*h = (struct timer_heap){0};
}
