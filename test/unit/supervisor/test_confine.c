/* test_confine.c - which files may be sent, whatever they are called. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/confine.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"

static char home[] = "/tmp/atc-confine-XXXXXX";
static str names[] = {STR_INIT("storage"), STR_INIT("tmp")};
static struct database_conf database = {
	.name = STR_INIT("primary"), .path = STR_INIT("storage/main.db")};
static struct app_conf app = {
	.private_directories = {names, 2}, .databases = &database, .ndatabases = 1};
static struct tenant_conf tenants[] = {
	{.id = STR_INIT("a"), .app = &app}, {.id = STR_INIT("a/nested"), .app = &app}};
static struct config conf = {.tenants = tenants, .ntenants = 2};

static str path_of(const char *name)
{
	return str_of(xasprintf("%s/%s", home, name));
}

static void put_bytes(const char *name, str bytes)
{
	str path = path_of(name);
	char *parent = str_dup((str){path.p, (size_t)(strrchr(path.p, '/') - path.p)});
	int fd;

	assert_int_equal(file_make_dirs(FILE_GIVEN, parent, 0755), 0);
	fd = open(path.p, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
	close(fd);
	free(parent);
	free((void *)(uintptr_t)path.p);
}

static void put(const char *name)
{
	put_bytes(name, str_of(name));
}

/* A hard link. */
static void give_name(const char *of, const char *name)
{
	str old = path_of(of), new = path_of(name);

	assert_int_equal(link(old.p, new.p), 0);
	free((void *)(uintptr_t)old.p);
	free((void *)(uintptr_t) new.p);
}

static void make_link(const char *to, const char *name)
{
	str path = path_of(name);

	assert_int_equal(symlink(to, path.p), 0);
	free((void *)(uintptr_t)path.p);
}

static int setup(void **state)
{
	static const char *const files[] = {"app/storage/tenants/a/f",
		"app/storage/tenants/a/storage/blob", "app/storage/tenants/a/storage/main.db",
		"app/storage/tenants/a/storage/main.db-wal",
		"app/storage/tenants/a/storage/x.sqlite3", "app/storage/tenants/a/.hidden",
		"app/storage/tenants/a/.d/f", "app/storage/tenants/a/master.key",
		"app/storage/tenants/a/nested/f", "app/storage/tenants/b/f", "app/public/p.txt",
		"app/config/f", "app/storage/shared"};

	(void)state;
	if (!mkdtemp(home))
		return -1;
	for (size_t i = 0; i < NITEMS(files); i++)
		put(files[i]);
	put_bytes("app/storage/tenants/b/theirs.db", STR("SQLite format 3\0\x10\0\1\1"));
	put_bytes("app/storage/tenants/b/theirs.db-wal", STR("\x37\x7f\x06\x82\0\x2d\xe2\x18"));
	put_bytes("app/storage/tenants/b/theirs.db-shm", STR("\x18\xe2\x2d\0\0\0\0\0"));
	put_bytes("app/storage/tenants/b/theirs.db-journal",
		STR("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\0\0\0\1"));
	put_bytes("app/storage/tenants/a/export", STR("SQLite format 3\0\x10\0\1\1"));
	app.root = path_of("link");
	app.public = path_of("link/public");
	tenants[0].dir = path_of("link/storage/tenants/a");
	tenants[1].dir = path_of("link/storage/tenants/a/nested");
	make_link("app", "link");
	make_link("f", "app/storage/tenants/a/to_f");
	make_link("../b/f", "app/storage/tenants/a/to_b");
	make_link("storage/main.db", "app/storage/tenants/a/to_db");
	give_name("app/storage/tenants/a/f", "app/storage/tenants/a/f2");
	give_name("app/storage/tenants/b/theirs.db", "app/storage/tenants/a/blob1");
	give_name("app/storage/tenants/b/theirs.db-wal", "app/storage/tenants/a/blob2");
	give_name("app/storage/tenants/b/theirs.db-shm", "app/storage/tenants/a/blob3");
	give_name("app/storage/tenants/b/theirs.db-journal", "app/storage/tenants/a/blob4");
	make_link("/proc/self/fd/0", "app/storage/tenants/a/magic");
	return 0;
}

static int teardown(void **state)
{
	char *command = xasprintf("rm -r %s", home);
	int r = system(command);

	(void)state;
	free((void *)(uintptr_t)app.root.p);
	free((void *)(uintptr_t)app.public.p);
	free((void *)(uintptr_t)tenants[0].dir.p);
	free((void *)(uintptr_t)tenants[1].dir.p);
	free(command);
	return r;
}

/* '@' is the home; '' after OPENED is what the file holds. */
static const struct {
	const char *path;
	enum opening_form form;
	enum opening_result result;
	const char *what;
} cases[] = {
	{"@/link/storage/tenants/a/f", OPENING_PATH, OPENING_OPENED, "app/storage/tenants/a/f"},
	{"@/app/storage/tenants/a/f", OPENING_PATH, OPENING_OPENED, "app/storage/tenants/a/f"},
	{"storage/tenants/a/f", OPENING_PATH, OPENING_OPENED, "app/storage/tenants/a/f"},
	{"@/app/storage/tenants/a/to_f", OPENING_PATH, OPENING_OPENED, "app/storage/tenants/a/f"},
	{"@/app/storage/tenants/a/storage/../f", OPENING_PATH, OPENING_OPENED,
		"app/storage/tenants/a/f"},
	/* inside the tenant, storage is its own */
	{"@/link/storage/blob", OPENING_PATH, OPENING_OPENED, "app/storage/tenants/a/storage/blob"},
	{"storage/blob", OPENING_PATH, OPENING_OPENED, "app/storage/tenants/a/storage/blob"},
	{"@/app/storage/shared", OPENING_PATH, OPENING_REFUSED, "no such file"},
	{"@/app/public/p.txt", OPENING_PATH, OPENING_OPENED, "app/public/p.txt"},
	{"/storage/blob", OPENING_URI, OPENING_OPENED, "app/storage/tenants/a/storage/blob"},
	{"/storage/bl%6fb?x", OPENING_URI, OPENING_OPENED, "app/storage/tenants/a/storage/blob"},
	{"/storage/blob", OPENING_PATH, OPENING_OUTSIDE, "outside"},
	{"/etc/passwd", OPENING_PATH, OPENING_OUTSIDE, "outside"},
	{"/etc/passwd", OPENING_URI, OPENING_OUTSIDE, "outside"},
	{"@/app/config/f", OPENING_PATH, OPENING_OUTSIDE, "outside"},
	{"@/app/storage/tenants/a", OPENING_PATH, OPENING_REFUSED, "no such file"},
	{"@/app/storage/tenants/b/f", OPENING_PATH, OPENING_REFUSED, "no such file"},
	{"@/app/storage/tenants/a/../b/f", OPENING_PATH, OPENING_REFUSED, "leads out"},
	{"@/app/storage/tenants/a/%2e%2e/b/f", OPENING_URI, OPENING_REFUSED, "leads out"},
	{"@/app/storage/tenants/a/to_b", OPENING_PATH, OPENING_REFUSED, "leads out"},
	{"@/app/storage/tenants/a/magic", OPENING_PATH, OPENING_REFUSED, "leads out"},
	{"@/app/storage/tenants/a/to_db", OPENING_PATH, OPENING_REFUSED, "database"},
	{"@/app/storage/tenants/a/storage/main.db", OPENING_PATH, OPENING_REFUSED, "database"},
	{"storage/main.db-wal", OPENING_PATH, OPENING_REFUSED, "database"},
	{"storage/x.sqlite3", OPENING_PATH, OPENING_REFUSED, "never sent"},
	/* hard links */
	{"@/app/storage/tenants/a/f2", OPENING_PATH, OPENING_OPENED, "app/storage/tenants/a/f"},
	{"@/app/storage/tenants/a/blob1", OPENING_PATH, OPENING_REFUSED, "second name"},
	{"@/app/storage/tenants/a/blob2", OPENING_PATH, OPENING_REFUSED, "second name"},
	{"@/app/storage/tenants/a/blob3", OPENING_PATH, OPENING_REFUSED, "second name"},
	{"@/app/storage/tenants/a/blob4", OPENING_PATH, OPENING_REFUSED, "second name"},
	/* a copy that the application has made to be taken home */
	{"@/app/storage/tenants/a/export", OPENING_PATH, OPENING_OPENED, "SQLite format 3"},
	{"@/app/storage/tenants/a/.hidden", OPENING_PATH, OPENING_REFUSED, "never sent"},
	{"@/app/storage/tenants/a/.d/f", OPENING_PATH, OPENING_REFUSED, "never sent"},
	{"@/app/storage/tenants/a/master.key", OPENING_PATH, OPENING_REFUSED, "never sent"},
	{"@/app/storage/tenants/a/nested/f", OPENING_PATH, OPENING_REFUSED, "another tenant"},
	{"@/app/storage/tenants/a/storage", OPENING_PATH, OPENING_REFUSED, "regular"},
	{"", OPENING_PATH, OPENING_REFUSED, "not a path"},
	{"@/app/storage/tenants/a/f%00", OPENING_URI, OPENING_REFUSED, "not a path"},
};

static void check(size_t i)
{
	const char *in = cases[i].path, *why = NULL;
	char *path = *in == '@' ? xasprintf("%s%s", home, in + 1) : xstrdup(in), text[128] = "";
	int fd = -1;
	enum opening_result result =
		confine_open(&conf, &tenants[0], str_of(path), cases[i].form, &fd, &why);

	if (fd >= 0)
		assert_true(read(fd, text, sizeof(text) - 1) > 0);
	if (result != cases[i].result || (fd >= 0) != (result == OPENING_OPENED))
		fail_msg("%s: %d (%s)", in, (int)result, why ? why : "");
	if (!strstr(fd >= 0 ? text : why, cases[i].what))
		fail_msg("%s: %s", in, fd >= 0 ? text : why);
	close_fd(&fd);
	free(path);
}

static void only_a_tenants_own_files_are_opened(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		check(i);
}

static void a_file_of_somebody_else_has_no_second_name(void **state)
{
	const char *why = "";
	int fd = -1;

	(void)state;
	if (geteuid() != 0)
		return; /* all files are ours */
	give_name("app/storage/tenants/a/f2", "app/storage/tenants/a/f3");
	str path = path_of("app/storage/tenants/a/f3");
	assert_int_equal(chown(path.p, 12345, 12345), 0);
	assert_int_equal(
		confine_open(&conf, &tenants[0], path, OPENING_PATH, &fd, &why), OPENING_REFUSED);
	assert_non_null(strstr(why, "second name"));
	assert_int_equal(chown(path.p, geteuid(), getegid()), 0);
	assert_int_equal(
		confine_open(&conf, &tenants[0], path, OPENING_PATH, &fd, &why), OPENING_OPENED);
	close_fd(&fd);
	free((void *)(uintptr_t)path.p);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	static char path[2 * PATH_MAX];
	const char *why;
	int fd;

	(void)state;
	memset(path, 'x', sizeof(path));
	assert_int_equal(confine_open(&conf, &tenants[0], (str){path, sizeof(path)}, OPENING_PATH,
				 &fd, &why),
		OPENING_REFUSED);
	/* Not alone, but with the directory before it. */
	assert_int_equal(confine_open(&conf, &tenants[0], (str){path, PATH_MAX - 1}, OPENING_PATH,
				 &fd, &why),
		OPENING_OUTSIDE);
}

static void the_configuration_of_a_single_application_is_kept(void **state)
{
	struct tenant_conf t = {.id = STR_INIT("main"), .app = &app, .dir = app.root};
	struct config single = {.tenants = &t, .ntenants = 1, .is_single = true};
	const char *why;
	int fd = -1;

	(void)state;
	assert_int_equal(confine_open(&single, &t, STR("config/f"), OPENING_PATH, &fd, &why),
		OPENING_REFUSED);
	assert_int_equal(confine_open(&single, &t, STR("storage/shared"), OPENING_PATH, &fd, &why),
		OPENING_OPENED);
	close_fd(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_tenants_own_files_are_opened),
		cmocka_unit_test(a_file_of_somebody_else_has_no_second_name),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(the_configuration_of_a_single_application_is_kept),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
