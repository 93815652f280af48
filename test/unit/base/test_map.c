/* test_map.c - the map against an array that cannot be wrong. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"

#define NKEYS 300
#define STEPS 200000

struct model {
	char keys[NKEYS][16];
	void *values[NKEYS]; /* NULL: not there */
	size_t count;
};

static void model_init(struct model *m)
{
	*m = (struct model){0};
	for (int i = 0; i < NKEYS; i++)
		snprintf(m->keys[i], sizeof(m->keys[i]), "%d/key", i * 7919);
}

static void assert_same(const struct map *map, const struct model *m)
{
	size_t seen = 0;

	assert_int_equal(map->count, m->count);
	for (int i = 0; i < NKEYS; i++)
		assert_ptr_equal(map_get(map, str_of(m->keys[i])), m->values[i]);
	map_foreach (e, map) {
		assert_ptr_equal(map_get(map, e->key), e->value);
		seen++;
	}
	assert_int_equal(seen, m->count);
}

/* Grows and shrinks by turns, so that places are taken, shifted back and taken again. */
static void a_map_does_what_an_array_does(void **state)
{
	static struct model m;
	struct map map = {0};
	unsigned seed = 1;

	(void)state;
	model_init(&m);
	for (int step = 0; step < STEPS; step++) {
		int i = rand_r(&seed) % NKEYS;
		bool grows = (step / 2000) % 2 == 0;
		str key = str_of(m.keys[i]);
		void *before = m.values[i];

		if (rand_r(&seed) % 4 != 0 ? grows : !grows) {
			m.values[i] = &m.keys[rand_r(&seed) % NKEYS];
			m.count += !before;
			assert_ptr_equal(map_put(&map, key, m.values[i]), before);
		} else {
			m.values[i] = NULL;
			m.count -= before != NULL;
			assert_ptr_equal(map_remove(&map, key), before);
		}
		if (step % 500 == 0)
			assert_same(&map, &m);
	}
	assert_same(&map, &m);
	map_done(&map);
}

static void an_empty_map_has_nothing(void **state)
{
	struct map map = {0};
	size_t n = 0;

	(void)state;
	assert_null(map_get(&map, STR("x")));
	assert_null(map_remove(&map, STR("x")));
	map_foreach (e, &map)
		n += e->value != NULL;
	assert_int_equal(n, 0);
	map_done(&map);
	map_done(&map);
}

static void an_empty_key_is_a_key(void **state)
{
	struct map map = {0};
	int value;

	(void)state;
	assert_null(map_put(&map, STR(""), &value));
	assert_ptr_equal(map_get(&map, STR("")), &value);
	assert_null(map_get(&map, STR("\0")));
	assert_ptr_equal(map_remove(&map, STR("")), &value);
	map_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_does_what_an_array_does),
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(an_empty_key_is_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
