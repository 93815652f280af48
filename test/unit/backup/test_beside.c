/* test_beside.c - what counts as a tenant's file, and what does not. */
/* SPDX-License-Identifier: MIT */
#include "backup/beside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"

static char *root;

static int setup(void **state)
{
	(void)state;
	root = xstrdup("/tmp/atc-beside-XXXXXX");
	assert_non_null(mkdtemp(root));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(file_remove_tree(FILE_GIVEN, root), 0);
	free(root);
	return 0;
}

static void put(const char *name)
{
	CLEAN_FREE char *path = xasprintf("%s/%s", root, name);

	assert_int_equal(file_make_parents(FILE_GIVEN, path, 0755), 0);
	assert_int_equal(file_write(FILE_GIVEN, path, STR("x"), 0644), 0);
}

static uint64_t count(uint64_t enough)
{
	CLEAN_FREE char *primary = xasprintf("%s/storage/production.sqlite3", root);
	CLEAN_FREE char *cache = xasprintf("%s/storage/cache.sqlite3", root);
	const char *paths[] = {primary, cache};

	return beside_count(&(struct beside){root, paths, 2}, enough);
}

static void databases_and_what_is_ours_or_passing_does_not_count(void **state)
{
	static const char *const names[] = {"storage/production.sqlite3",
		"storage/production.sqlite3-wal", "storage/production.sqlite3-shm",
		"storage/production.sqlite3-journal", "storage/production.sqlite3.restoring",
		"storage/cache.sqlite3", "storage/.production.sqlite3-litestream/ltx/0/1.ltx",
		"storage/.production.sqlite3-fly-atc", "storage/.keep", ".fly-atc.json",
		".fly-atc-open", ".prepared", ".stale/1.epoch-2/production.sqlite3",
		"tmp/pids/server.pid", "log/production.log", "cache/x", "home/.cache/x",
		"2025/winter/.fly-atc.json", "2025/winter/storage/upload"};

	(void)state;
	for (size_t i = 0; i < NITEMS(names); i++)
		put(names[i]);
	assert_int_equal(count(100), 0);
}

static void all_else_counts(void **state)
{
	static const char *const names[] = {"storage/ab/cd/abcd", "storage/other.sqlite3",
		"other/production.sqlite3", "storage/production.sqlite3.bak",
		"storage/production.sqlite3-notes", "storage/tmp/kept", "uploads/log/kept",
		"migrations.done", ".env", "2025/.prepared"};

	(void)state;
	for (size_t i = 0; i < NITEMS(names); i++) {
		put(names[i]);
		assert_int_equal(count(100), i + 1);
	}
	assert_int_equal(count(3), 3);
}

static void links_and_what_is_not_there_do_not_count(void **state)
{
	CLEAN_FREE char *link = xasprintf("%s/link", root), *loop = xasprintf("%s/loop", root);
	const struct beside nowhere = {"/nonexistent", NULL, 0};

	(void)state;
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(symlink(".", loop), 0);
	assert_int_equal(count(100), 0);
	assert_int_equal(beside_count(&nowhere, 100), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(databases_and_what_is_ours_or_passing_does_not_count),
		TEST(all_else_counts),
		TEST(links_and_what_is_not_there_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
