/* test_hash.c - SipHash-1-3 against what CPython's hash() of bytes gives for the same keys. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

static void values_are_those_of_another_implementation(void **state)
{
	static const uint64_t k0 = 0xdc504fd368cd90af, k1 = 0xb920bb9ffe99e9c1;
	char counting[63], xs[300];
	/* PYTHONHASHSEED=0 is the key of zeros, PYTHONHASHSEED=42 the other one. */
	const struct {
		str text;
		uint64_t with_zeros, with_key;
	} cases[] = {
		{STR("a"), 0x407448d2b89b1813, 0xfe4a47335692551e},
		{STR("bellevue"), 0x89580951c5ecf0a7, 0x8ae2db8e019c63c0},
		{STR("bellevue/2025/winter"), 0xca522b700db3bd20, 0x2809320cae2d60f6},
		{{counting, sizeof(counting)}, 0x385d3e39e5f37359, 0x06e24d6f0d014c37},
		{{xs, sizeof(xs)}, 0x2f58903130dc04e4, 0x0be9d5b1985af988},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(counting); i++)
		counting[i] = (char)i;
	memset(xs, 'x', sizeof(xs));
	for (size_t i = 0; i < NITEMS(cases); i++) {
		assert_true(hash_keyed(cases[i].text, 0, 0) == cases[i].with_zeros);
		assert_true(hash_keyed(cases[i].text, k0, k1) == cases[i].with_key);
	}
}

static void the_length_counts(void **state)
{
	(void)state;
	assert_true(hash_keyed(STR(""), 1, 2) != hash_keyed(STR("\0"), 1, 2));
	assert_true(hash_keyed(STR("\0"), 1, 2) != hash_keyed(STR("\0\0"), 1, 2));
	assert_true(hash_keyed((str){0}, 1, 2) == hash_keyed(STR(""), 1, 2));
}

static void the_key_of_a_process_stays(void **state)
{
	(void)state;
	assert_true(hash_bytes(STR("x")) == hash_bytes(STR("x")));
	assert_true(hash_bytes(STR("x")) != hash_bytes(STR("y")));
}

static void random_bytes_differ(void **state)
{
	unsigned char a[64] = {0}, b[64] = {0};

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	random_bytes(a, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_those_of_another_implementation),
		cmocka_unit_test(the_length_counts),
		cmocka_unit_test(the_key_of_a_process_stays),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
