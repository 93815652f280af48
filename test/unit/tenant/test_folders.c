/* test_folders.c - the directories of a tenant, and what has to be mounted for it. */
/* SPDX-License-Identifier: MIT */
#include "tenant/folders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static char root[] = "/tmp/atc-folders-XXXXXX";
static str names[] = {STR_INIT("storage"), STR_INIT("tmp")};
static struct database_conf database = {
	.name = STR_INIT("primary"), .path = STR_INIT("storage/deep/production.sqlite3")};
static struct app_conf app = {.framework = FRAMEWORK_RAILS,
	.private_directories = {names, 2},
	.databases = &database,
	.ndatabases = 1};

static const struct config conf;

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	app.root = str_of(root);
	return 0;
}

static int teardown(void **state)
{
	char *command = xasprintf("rm -r %s", root);
	int r = system(command);

	(void)state;
	free(command);
	return r;
}

static bool is_folder(const char *base, const char *rest)
{
	char *path = xasprintf("%s%s", base, rest);
	struct stat st;
	bool is = stat(path, &st) == 0 && S_ISDIR(st.st_mode);

	free(path);
	return is;
}

static void everything_that_the_application_expects_is_made(void **state)
{
	char *dir = xasprintf("%s/elsewhere/one", root);
	struct tenant_conf t = {.id = STR("one"), .dir = str_of(dir), .app = &app};
	struct tenant_mounts mounts;
	char *path;

	(void)state;
	assert_int_equal(tenant_folders_make(&conf, &t, &mounts, &path), 0);
	assert_true(is_folder(dir, "/storage/deep"));
	assert_true(is_folder(dir, "/tmp/pids"));
	if (process_can_mount()) {
		assert_int_equal(mounts.count, 2);
		assert_true(is_folder(root, "/storage") && is_folder(root, "/tmp"));
	} else {
		assert_int_equal(mounts.count, 0);
	}
	tenant_mounts_done(&mounts);
	free(dir);
}

static void a_tenant_within_a_private_directory_stays_visible(void **state)
{
	char *dir = xasprintf("%s/storage/tenants/one", root);
	struct tenant_conf t = {.id = STR("one"), .dir = str_of(dir), .app = &app};
	struct tenant_mounts mounts;
	char *path;

	(void)state;
	assert_int_equal(tenant_folders_make(&conf, &t, &mounts, &path), 0);
	if (process_can_mount()) {
		assert_int_equal(mounts.count, 3);
		assert_string_equal(mounts.items[2].source, dir);
		assert_string_equal(mounts.items[2].target, dir);
		assert_true(is_folder(dir, "/storage/tenants/one"));
	}
	tenant_mounts_done(&mounts);
	free(dir);
}

static void what_cannot_be_made_is_named(void **state)
{
	char *file = xasprintf("%s/file", root), *dir = xasprintf("%s/file/one", root);
	struct tenant_conf t = {.id = STR("one"), .dir = str_of(dir), .app = &app};
	struct tenant_mounts mounts;
	char *path;

	(void)state;
	fclose(fopen(file, "w"));
	assert_int_equal(tenant_folders_make(&conf, &t, &mounts, &path), -ENOTDIR);
	assert_string_equal(path, dir);
	free(path);
	free(file);
	free(dir);
}

static void what_a_killed_copy_left_is_removed(void **state)
{
	char *dir = xasprintf("%s/stale", root),
	     *pid_file = xasprintf("%s/tmp/pids/server.pid", dir),
	     *socket = xasprintf("%s/tenant-1.sock", root);
	struct tenant_conf t = {.id = STR("one"), .dir = str_of(dir), .app = &app};
	struct tenant_mounts mounts;
	char *path;

	(void)state;
	assert_int_equal(tenant_folders_make(&conf, &t, &mounts, &path), 0);
	tenant_mounts_done(&mounts);
	fclose(fopen(pid_file, "w"));
	fclose(fopen(socket, "w"));
	tenant_folders_clean(&t, socket);
	assert_int_equal(access(pid_file, F_OK), -1);
	assert_int_equal(access(socket, F_OK), -1);
	free(dir);
	free(pid_file);
	free(socket);
}

/* Whoever else may write there could point it at anything. */
static void a_link_in_the_tenants_directory_is_followed_only_if_it_is_ours(void **state)
{
	char *dir = xasprintf("%s/linked", root), *link = xasprintf("%s/storage", dir),
	     *to = xasprintf("%s/target", root);
	struct tenant_conf t = {.id = STR("one"), .dir = str_of(dir), .app = &app};
	struct tenant_mounts mounts;
	char *path;

	(void)state;
	assert_int_equal(mkdir(dir, 0755) | mkdir(to, 0755) | symlink(to, link), 0);
	assert_int_equal(tenant_folders_make(&conf, &t, &mounts, &path), 0);
	tenant_mounts_done(&mounts);
	assert_true(is_folder(to, "/deep"));
	if (lchown(link, 12345, 12345) == 0) {
		assert_int_equal(tenant_folders_make(&conf, &t, &mounts, &path), -ELOOP);
		free(path);
	} else {
		assert_int_equal(errno, EPERM); /* nobody but root can have a link of another */
	}
	free(dir);
	free(link);
	free(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_the_application_expects_is_made),
		cmocka_unit_test(a_link_in_the_tenants_directory_is_followed_only_if_it_is_ours),
		cmocka_unit_test(a_tenant_within_a_private_directory_stays_visible),
		cmocka_unit_test(what_cannot_be_made_is_named),
		cmocka_unit_test(what_a_killed_copy_left_is_removed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
