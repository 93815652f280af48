/* map.h - a hash table from strings to pointers; keys are borrowed and must outlive their
 * entries. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct map_entry {
	str key; /* p is NULL in an empty place */
	void *value;
	uint64_t hash;
};

/* Zero is an empty map. */
struct map {
	struct map_entry *entries;
	size_t count, cap; /* cap is 0 or a power of two */
};

/* The value, or NULL. */
void *map_get(const struct map *m, str key);
/* Adds or replaces.  Returns the former value, or NULL.  `value` is not NULL. */
void *map_put(struct map *m, str key, void *value);
/* Removes; returns the former value, or NULL. */
void *map_remove(struct map *m, str key);
void map_done(struct map *m);

#define map_foreach(e, m)                                                                          \
	for (struct map_entry *e = (m)->entries; e && e < (m)->entries + (m)->cap; e++)            \
		if (e->key.p)
