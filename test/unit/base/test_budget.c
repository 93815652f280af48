/* test_budget.c - memory is counted over threads, and an ebb is told once. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/budget.h"

#define MIB (1024u * 1024)

static void *take(void *arg)
{
	const size_t *n = arg;

	for (size_t i = 0; i < *n / 1000; i++)
		budget_take(1000);
	budget_take(*n % 1000);
	budget_hand_over();
	return NULL;
}

static void all_threads_are_counted(void **state)
{
	size_t amounts[] = {5 * MIB, 7 * MIB, 123456};
	pthread_t threads[NITEMS(amounts)];
	size_t all = 0;

	(void)state;
	for (size_t i = 0; i < NITEMS(amounts); i++) {
		all += amounts[i];
		assert_int_equal(pthread_create(&threads[i], NULL, take, &amounts[i]), 0);
	}
	for (size_t i = 0; i < NITEMS(amounts); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(budget_used(), all);
	budget_give(all);
	assert_int_equal(budget_used(), 0);
}

static void what_is_pending_is_never_much(void **state)
{
	(void)state;
	for (size_t i = 0; i < 100000; i++)
		budget_resize(10, 30);
	assert_in_range(budget_used(), 2000000 - BUDGET_STEP, 2000000);
	budget_give(2000000);
	budget_hand_over();
	assert_int_equal(budget_used(), 0);
}

static void there_may_be_a_limit(void **state)
{
	(void)state;
	budget_take(3 * MIB);
	assert_false(budget_is_over());
	budget_limit(3 * MIB);
	assert_false(budget_is_over());
	budget_limit(3 * MIB - 1);
	assert_true(budget_is_over());
	budget_give(MIB);
	assert_false(budget_is_over());
	budget_limit(0);
	budget_give(2 * MIB);
}

static void an_ebb_is_told_once(void **state)
{
	(void)state;
	budget_has_ebbed(); /* of what was before */
	budget_take(100 * MIB);
	assert_false(budget_has_ebbed());
	budget_give(40 * MIB);
	assert_false(budget_has_ebbed());
	budget_give(30 * MIB);
	assert_true(budget_has_ebbed());
	assert_false(budget_has_ebbed());
	budget_give(30 * MIB);
	assert_true(budget_has_ebbed());
	assert_false(budget_has_ebbed());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_threads_are_counted),
		cmocka_unit_test(what_is_pending_is_never_much),
		cmocka_unit_test(there_may_be_a_limit),
		cmocka_unit_test(an_ebb_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
