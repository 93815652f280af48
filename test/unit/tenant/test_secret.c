/* test_secret.c - a SECRET_KEY_BASE for each tenant, stable, and none tells of another. */
/* SPDX-License-Identifier: MIT */
#include "tenant/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static char folder[] = "/tmp/atc-secret-XXXXXX";
static char *path;

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	path = xasprintf("%s/.secret", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	free(path);
	return rmdir(folder);
}

static void write_text(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void it_is_made_once_and_then_read(void **state)
{
	char *first, *second;
	struct stat st;

	(void)state;
	assert_int_equal(secret_master(NULL, path, &first), 0);
	assert_int_equal(secret_master("", path, &second), 0);
	assert_string_equal(first, second);
	assert_int_equal(strlen(first), 128);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(first);
	free(second);
}

static void the_owners_own_wins(void **state)
{
	char *master;

	(void)state;
	assert_int_equal(secret_master("of the owner", path, &master), 0);
	assert_string_equal(master, "of the owner");
	free(master);
}

static void a_damaged_file_is_an_error_and_not_a_new_secret(void **state)
{
	char *master;

	(void)state;
	write_text("too short");
	assert_int_equal(secret_master(NULL, path, &master), -EINVAL);
	write_text("");
	assert_int_equal(secret_master(NULL, path, &master), -EINVAL);
	unlink(path);
}

static void a_file_by_hand_may_end_in_a_newline(void **state)
{
	char *master;

	(void)state;
	write_text("0123456789012345678901234567890123456789\n");
	assert_int_equal(secret_master(NULL, path, &master), 0);
	assert_string_equal(master, "0123456789012345678901234567890123456789");
	free(master);
	unlink(path);
}

/* RFC 2104 over FIPS 180-4, computed with another program: sessions must survive an upgrade of
 * fly-atc. */
static void the_derivation_never_changes(void **state)
{
	char secret[SECRET_TEXT_SIZE];

	(void)state;
	secret_of_tenant("master", STR("bellevue/2025/winter"), secret);
	assert_string_equal(secret,
		"08b75a949fc95e8804e9fd4f58c112a4a70de81c2e4ac1fffd37d3d3fb4bd76b"
		"e23485fc811c044a0ce5b13916e7e5f404deb8268b1c9d00a0fc54c1b6871ab6");
}

static void tenants_and_masters_differ(void **state)
{
	char one[SECRET_TEXT_SIZE], other[SECRET_TEXT_SIZE], again[SECRET_TEXT_SIZE];

	(void)state;
	secret_of_tenant("master", STR("bellevue/2025"), one);
	secret_of_tenant("master", STR("bellevue/2026"), other);
	secret_of_tenant("master", STR("bellevue/2025"), again);
	assert_string_not_equal(one, other);
	assert_string_equal(one, again);
	secret_of_tenant("another", STR("bellevue/2025"), other);
	assert_string_not_equal(one, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_made_once_and_then_read),
		cmocka_unit_test(the_owners_own_wins),
		cmocka_unit_test(a_damaged_file_is_an_error_and_not_a_new_secret),
		cmocka_unit_test(a_file_by_hand_may_end_in_a_newline),
		cmocka_unit_test(the_derivation_never_changes),
		cmocka_unit_test(tenants_and_masters_differ),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
