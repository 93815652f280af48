/* test_digest.c - against the examples of FIPS 180-4, RFC 4231 and RFC 4648. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "base/digest.h"

static void assert_hex(const unsigned char *bytes, size_t n, const char *expected)
{
	char text[DIGEST_HEX_SIZE(DIGEST_SHA512)];

	digest_write_hex(bytes, n, text);
	assert_string_equal(text, expected);
}

static void digests_are_those_of_the_standard(void **state)
{
	unsigned char digest[DIGEST_SHA256];

	(void)state;
	digest_sha1(STR("abc"), digest);
	assert_hex(digest, DIGEST_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d");
	digest_sha256(STR("abc"), digest);
	assert_hex(digest, DIGEST_SHA256,
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_sha256(STR_EMPTY, digest);
	assert_hex(digest, DIGEST_SHA256,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void keyed_digests_are_those_of_the_standard(void **state)
{
	unsigned char digest[DIGEST_SHA512];
	char long_key[131];

	(void)state;
	digest_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), digest);
	assert_hex(digest, DIGEST_SHA256,
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	digest_hmac_sha512(STR("Jefe"), STR("what do ya want for nothing?"), digest);
	assert_hex(digest, DIGEST_SHA512,
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
	/* A key that is longer than a block is hashed first. */
	memset(long_key, 0xaa, sizeof(long_key));
	digest_hmac_sha256((str){long_key, sizeof(long_key)},
		STR("Test Using Larger Than Block-Size Key - Hash Key First"), digest);
	assert_hex(digest, DIGEST_SHA256,
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void a_file_has_the_digest_of_its_bytes(void **state)
{
	unsigned char digest[DIGEST_SHA256];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "abc", 3), 3);
	close(ends[1]);
	assert_int_equal(digest_file_sha256(ends[0], digest), 0);
	assert_hex(digest, DIGEST_SHA256,
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	close(ends[0]);
	assert_int_equal(digest_file_sha256(ends[0], digest), -EBADF);
}

static void one_byte_makes_them_different(void **state)
{
	static const unsigned char a[] = {1, 2, 3}, b[] = {1, 2, 4};

	(void)state;
	assert_true(digest_is_equal(a, a, sizeof(a)));
	assert_true(digest_is_equal(a, b, 2));
	assert_false(digest_is_equal(a, b, sizeof(a)));
}

static void base64_is_padded(void **state)
{
	char text[DIGEST_BASE64_SIZE(6)];

	(void)state;
	digest_write_base64((const unsigned char *)"fooba", 5, text);
	assert_memory_equal(text, "Zm9vYmE=", 8);
	digest_write_base64((const unsigned char *)"foobar", 6, text);
	assert_memory_equal(text, "Zm9vYmFy", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_the_standard),
		cmocka_unit_test(keyed_digests_are_those_of_the_standard),
		cmocka_unit_test(a_file_has_the_digest_of_its_bytes),
		cmocka_unit_test(one_byte_makes_them_different),
		cmocka_unit_test(base64_is_padded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
