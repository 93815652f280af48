/* test_arena.c - pieces of memory that do not touch each other and go together. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/arena.h"

#define PIECES 2000

struct piece {
	unsigned char *p, fill;
	size_t n;
};

static void pieces_are_aligned_and_apart(void **state)
{
	static struct piece pieces[PIECES];
	struct arena a = {0};
	unsigned seed = 3;

	(void)state;
	for (int i = 0; i < PIECES; i++) {
		size_t n = (size_t)rand_r(&seed) % (i % 100 ? 200 : 10000);
		unsigned char *p = arena_alloc(&a, n);

		assert_int_equal((uintptr_t)p % 16, 0);
		pieces[i] = (struct piece){p, (unsigned char)i, n};
		memset(p, pieces[i].fill, n);
	}
	for (int i = 0; i < PIECES; i++)
		for (size_t j = 0; j < pieces[i].n; j++)
			assert_int_equal(pieces[i].p[j], pieces[i].fill);
	arena_done(&a);
}

static void nothing_is_still_something(void **state)
{
	struct arena a = {0};
	void *first = arena_alloc(&a, 0), *second = arena_zalloc(&a, 0);

	(void)state;
	assert_non_null(first);
	assert_non_null(second);
	assert_ptr_not_equal(first, second);
	arena_done(&a);
}

static void copies_end_in_nul_that_does_not_count(void **state)
{
	struct arena a = {0};
	str copy = arena_dup(&a, (str){"abc", 2}), empty = arena_dup(&a, (str){0});

	(void)state;
	assert_int_equal(copy.n, 2);
	assert_string_equal(copy.p, "ab");
	assert_int_equal(empty.n, 0);
	assert_string_equal(empty.p, "");
	assert_string_equal(arena_printf(&a, "%d-%s", 5, "x"), "5-x");
	arena_done(&a);
}

static void zeroed_memory_is_zero_even_if_it_was_used(void **state)
{
	struct arena a = {0};
	unsigned char *p;

	(void)state;
	memset(arena_alloc(&a, 1000), 0xff, 1000);
	arena_reset(&a);
	p = arena_zalloc(&a, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	arena_done(&a);
}

static void a_reset_keeps_one_usual_block_and_no_large_one(void **state)
{
	struct arena a = {0};
	void *first = arena_alloc(&a, 100), *large;

	(void)state;
	large = arena_alloc(&a, 1 << 20);
	assert_non_null(large);
	assert_non_null(arena_alloc(&a, 1 << 20));
	arena_reset(&a);
	assert_ptr_equal(arena_alloc(&a, 100), first);
	arena_reset(&a);
	assert_ptr_equal(arena_alloc(&a, 100), first);
	arena_done(&a);
	large = arena_alloc(&a, 1 << 20);
	assert_non_null(large);
	arena_reset(&a);
	assert_null(a.blocks);
	arena_reset(&a);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),
		cmocka_unit_test(nothing_is_still_something),
		cmocka_unit_test(copies_end_in_nul_that_does_not_count),
		cmocka_unit_test(zeroed_memory_is_zero_even_if_it_was_used),
		cmocka_unit_test(a_reset_keeps_one_usual_block_and_no_large_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
