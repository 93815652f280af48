/* test_list.c - intrusive lists keep their order, and removal may be repeated. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	int number;
	struct list link;
};

static void assert_numbers(const struct list *l, const int *numbers, size_t n)
{
	size_t i = 0;

	list_foreach (it, l, struct item, link) {
		assert_true(i < n);
		assert_int_equal(it->number, numbers[i++]);
	}
	assert_int_equal(i, n);
}

static void items_stand_in_the_order_in_which_they_came(void **state)
{
	struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
	struct list l;

	(void)state;
	list_init(&l);
	assert_true(list_is_empty(&l));
	list_append(&l, &items[1].link);
	list_append(&l, &items[2].link);
	list_push(&l, &items[0].link);
	assert_false(list_is_empty(&l));
	assert_numbers(&l, (int[]){1, 2, 3}, 3);
	assert_int_equal(list_first(&l, struct item, link)->number, 1);
	assert_int_equal(list_last(&l, struct item, link)->number, 3);
}

static void removal_may_be_repeated(void **state)
{
	struct item items[] = {{.number = 1}, {.number = 2}};
	struct list l;

	(void)state;
	list_init(&l);
	list_append(&l, &items[0].link);
	list_append(&l, &items[1].link);
	list_remove(&items[0].link);
	list_remove(&items[0].link);
	assert_numbers(&l, (int[]){2}, 1);
	list_remove(&items[1].link);
	assert_true(list_is_empty(&l));
	list_append(&l, &items[0].link);
	assert_numbers(&l, (int[]){1}, 1);
}

static void the_first_may_be_taken(void **state)
{
	struct item items[] = {{.number = 1}, {.number = 2}};
	struct list l;

	(void)state;
	list_init(&l);
	list_append(&l, &items[0].link);
	list_append(&l, &items[1].link);
	assert_ptr_equal(list_pop(&l), &items[0].link);
	assert_true(list_is_empty(&items[0].link));
	assert_numbers(&l, (int[]){2}, 1);
	assert_ptr_equal(list_pop(&l), &items[1].link);
	assert_true(list_is_empty(&l));
}

static void each_item_may_be_removed_while_walking(void **state)
{
	struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
	struct list l;

	(void)state;
	list_init(&l);
	for (size_t i = 0; i < NITEMS(items); i++)
		list_append(&l, &items[i].link);
	list_foreach_safe (it, &l, struct item, link)
		if (it->number % 2)
			list_remove(&it->link);
	assert_numbers(&l, (int[]){2, 4}, 2);
	list_foreach_safe (it, &l, struct item, link)
		list_remove(&it->link);
	assert_true(list_is_empty(&l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_stand_in_the_order_in_which_they_came),
		cmocka_unit_test(removal_may_be_repeated),
		cmocka_unit_test(the_first_may_be_taken),
		cmocka_unit_test(each_item_may_be_removed_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
