/* map.c - open addressing with linear probing; removal shifts back, so there are no tombstones. */
/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"

/* The place that holds the key, or the empty one where it would go. */
static struct map_entry *find_place(const struct map *m, str key, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);

	while (m->entries[i].key.p) {
		if (m->entries[i].hash == hash && str_eq(m->entries[i].key, key))
			break;
		i = (i + 1) & (m->cap - 1);
	}
	return &m->entries[i];
}

void *map_get(const struct map *m, str key)
{
	if (!m->count)
		return NULL;
	return find_place(m, key, hash_bytes(key))->value;
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->cap = old.cap ? old.cap * 2 : 16;
	assert(m->cap > old.cap && (m->cap & (m->cap - 1)) == 0);
	m->entries = xcalloc(m->cap, sizeof(*m->entries));
	map_foreach (e, &old)
		*find_place(m, e->key, e->hash) = *e;
	free(old.entries);
}

void *map_put(struct map *m, str key, void *value)
{
	uint64_t hash = hash_bytes(key);
	struct map_entry *e;
	void *before;

	assert(value && key.p);
	if (m->count * 4 >= m->cap * 3)
		grow(m);
	assert(m->count < m->cap); /* otherwise a search would loop forever */
	e = find_place(m, key, hash);
	before = e->value;
	if (!e->key.p)
		m->count++;
	*e = (struct map_entry){key, value, hash};
	return before;
}

void *map_remove(struct map *m, str key)
{
	struct map_entry *e;
	size_t hole, mask = m->cap - 1;
	void *value;

	if (!m->count)
		return NULL;
	e = find_place(m, key, hash_bytes(key));
	if (!e->key.p)
		return NULL;
	value = e->value;
	hole = (size_t)(e - m->entries);
	for (size_t i = (hole + 1) & mask; m->entries[i].key.p; i = (i + 1) & mask) {
		size_t home = m->entries[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->entries[hole] = m->entries[i];
			hole = i;
		}
	}
	m->entries[hole] = (struct map_entry){0};
	m->count--;
	assert(value);
	return value;
}

void map_done(struct map *m)
{
	assert(m->count <= m->cap && !m->cap == !m->entries);
	free(m->entries);
	*m = (struct map){0};
}
