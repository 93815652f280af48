/* test_state.c - what can be said of the states of a tenant. */
/* SPDX-License-Identifier: MIT */
#include "life/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "life/lifecycle.h"

static unsigned kinds(enum tenant_state s)
{
	return (unsigned)state_is_asleep(s) + state_is_on_its_way(s) + state_serves(s) +
	       state_is_ending(s);
}

static void a_state_is_of_one_kind_or_a_failure(void **state)
{
	(void)state;
	for (int s = 0; s < TENANT_NSTATES; s++)
		assert_int_equal(kinds((enum tenant_state)s), s == TENANT_FAILED ? 0 : 1);
}

static void what_is_no_state_is_of_no_kind(void **state)
{
	(void)state;
	assert_int_equal(kinds(TENANT_NSTATES), 0);
	assert_int_equal(kinds((enum tenant_state)UINT32_MAX), 0);
	assert_int_equal(kinds((enum tenant_state)33), 0);
}

/* Each step of the table, whatever the states are called and in what order they stand. */
static void the_kinds_follow_each_other_as_the_table_has_them(void **state)
{
	(void)state;
	for (int s = 0; s < TENANT_NSTATES; s++)
		for (int e = 0; e < LIFECYCLE_NEVENTS; e++) {
			enum tenant_state from = (enum tenant_state)s, to;
			const struct lifecycle_cell *cell =
				lifecycle_cell(from, (enum lifecycle_event)e);

			if (cell->kind != CELL_GO || cell->next == from)
				continue;
			to = cell->next;
			if (state_is_asleep(from))
				assert_true(state_is_on_its_way(to));
			if (state_serves(to))
				assert_true(state_is_on_its_way(from));
			if (state_serves(from))
				assert_true(state_is_ending(to) || to == TENANT_FAILED);
			if (state_is_on_its_way(to))
				assert_true(!state_serves(from) && !state_is_ending(from));
			if (state_is_ending(from))
				assert_true(state_is_ending(to) || state_is_asleep(to));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_is_of_one_kind_or_a_failure),
		cmocka_unit_test(what_is_no_state_is_of_no_kind),
		cmocka_unit_test(the_kinds_follow_each_other_as_the_table_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
