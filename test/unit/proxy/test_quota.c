/* test_quota.c - each client has its share, whoever else there is. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "proxy/shared.h"

#define CLIENTS 5000u

static struct quota quota;

static uint64_t key_of(unsigned client)
{
	return hash_keyed((str){(const char *)&client, sizeof(client)}, 1, 2);
}

static void no_client_has_more_than_its_share(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(quota_enter(&quota, key_of(0), 3));
	assert_false(quota_enter(&quota, key_of(0), 3));
	assert_true(quota_enter(&quota, key_of(1), 3));
	quota_leave(&quota, key_of(0));
	assert_true(quota_enter(&quota, key_of(0), 3));
	assert_false(quota_enter(&quota, key_of(0), 3));
	for (int i = 0; i < 3; i++)
		quota_leave(&quota, key_of(0));
	quota_leave(&quota, key_of(1));
}

/* Thousands of others, and one of them with all it may have. */
static void many_clients_do_not_take_the_share_of_one(void **state)
{
	(void)state;
	for (unsigned client = 0; client < CLIENTS; client++)
		for (int i = 0; i < 3; i++)
			assert_true(quota_enter(&quota, key_of(client), 50));
	for (int i = 3; i < 50; i++)
		if (!quota_enter(&quota, key_of(0), 50))
			fail_msg("refused after %d", i);
	for (int i = 3; i < 50; i++)
		quota_leave(&quota, key_of(0));
	for (unsigned client = 0; client < CLIENTS; client++)
		for (int i = 0; i < 3; i++)
			quota_leave(&quota, key_of(client));
	for (int row = 0; row < 2; row++)
		for (size_t i = 0; i < QUOTA_CELLS; i++)
			assert_int_equal(quota.cells[row][i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_client_has_more_than_its_share),
		cmocka_unit_test(many_clients_do_not_take_the_share_of_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
