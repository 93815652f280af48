/* list.h - intrusive circular lists; an entry on no list points at itself, so removing it again is
 * harmless. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert_between(struct list *item, struct list *prev, struct list *next)
{
	assert(!item->next || item->next == item); /* on no list: zero, or as list_init leaves it */
	item->prev = prev;
	item->next = next;
	prev->next = item;
	next->prev = item;
}

/* The item must be on no list: zero, or what list_init or list_remove made of it. */
static inline void list_push(struct list *l, struct list *item)
{
	list_insert_between(item, l, l->next);
}

static inline void list_append(struct list *l, struct list *item)
{
	list_insert_between(item, l->prev, l);
}

static inline void list_remove(struct list *item)
{
	assert(item->prev->next == item);
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/* The items of `from` become those of `to`, which need not be initialised; `from` is empty. */
static inline void list_take_all(struct list *to, struct list *from)
{
	assert(to != from);
	assert(from->next->prev == from && from->prev->next == from);
	list_init(to);
	if (list_is_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

/* Removes the first item of a list that has one, and returns it. */
static inline struct list *list_pop(struct list *l)
{
	struct list *item = l->next;

	assert(item != l && item->prev == l && item->next->prev == item);
	l->next = item->next;
	item->next->prev = l;
	list_init(item);
	return item;
}

#define list_first(l, type, member) container_of((l)->next, type, member)
#define list_last(l, type, member)  container_of((l)->prev, type, member)
#define list_foreach(it, l, type, member)                                                          \
	for (type *it = list_first(l, type, member); &it->member != (l);                           \
		it = container_of(it->member.next, type, member))
/* The body may remove `it` (and nothing else) from the list. */
#define list_foreach_safe(it, l, type, member)                                                     \
	for (type *it = list_first(l, type, member),                                               \
		  *it##_next = container_of(it->member.next, type, member);                        \
		&it->member != (l);                                                                \
		it = it##_next, it##_next = container_of(it->member.next, type, member))
