/* test_migrations.c - the prepare command runs when something changed, and only then. */
/* SPDX-License-Identifier: MIT */
#include "framework/migrations.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

/* An application with a migration, and a tenant of it with one database. */
struct fixture {
	char root[32], *app_root, *dir, *database;
	str command[2];
	struct migrations_database databases[2];
	struct migrations migrations;
};

static void write_text(const struct fixture *f, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", f->root, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	free(path);
}

static void run_sql(const struct fixture *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* The command finds the root as $ROOT. */
static void run_shell(const char *command, const char *root)
{
	setenv("ROOT", root, 1);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->root, "/tmp/atc-migrate-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	run_shell("mkdir -p $ROOT/app/db/migrate $ROOT/app/config $ROOT/data", f->root);
	f->app_root = xasprintf("%s/app", f->root);
	f->dir = xasprintf("%s/data", f->root);
	f->database = xasprintf("%s/data/one.sqlite3", f->root);
	f->command[0] = STR("bin/rails");
	f->command[1] = STR("db:prepare");
	f->databases[0] = (struct migrations_database){STR("primary"), STR("one.sqlite3")};
	f->databases[1] = (struct migrations_database){STR("cache"), STR("two.sqlite3")};
	f->migrations = (struct migrations){.root = str_of(f->app_root),
		.dir = str_of(f->dir),
		.environment = STR("production"),
		.command = f->command,
		.nwords = 2,
		.databases = f->databases,
		.ndatabases = 2};
	write_text(f, "app/db/migrate/1_create.rb", "create");
	run_sql(f,
		"create table schema_migrations(version); insert into schema_migrations values ('1')");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	run_shell("rm -r $ROOT", f->root);
	free(f->app_root);
	free(f->dir);
	free(f->database);
	free(f);
	return 0;
}

static void nothing_is_known_before_the_first_run(void **state)
{
	struct fixture *f = *state;

	assert_false(migrations_are_done(&f->migrations, 0));
	migrations_remember(&f->migrations);
	assert_true(migrations_are_done(&f->migrations, 0));
	assert_true(migrations_are_done(&f->migrations, 0));
}

static void rows_of_the_application_change_nothing(void **state)
{
	struct fixture *f = *state;

	run_sql(f, "create table events(name)");
	migrations_remember(&f->migrations);
	run_sql(f, "insert into events values ('gala')");
	assert_true(migrations_are_done(&f->migrations, 0));
}

static void files_are_judged_by_content_and_not_by_time(void **state)
{
	struct fixture *f = *state;

	migrations_remember(&f->migrations);
	write_text(f, "app/db/migrate/1_create.rb", "create");
	assert_true(migrations_are_done(&f->migrations, 0));
	write_text(f, "app/db/migrate/1_create.rb", "CREATE");
	assert_false(migrations_are_done(&f->migrations, 0));
}

static void whatever_decides_is_seen(void **state)
{
	static const char *const files[] = {
		"app/db/migrate/2_more.rb", "app/Gemfile.lock", "app/config/database.yml"};
	struct fixture *f = *state;

	for (size_t i = 0; i < NITEMS(files); i++) {
		migrations_remember(&f->migrations);
		assert_true(migrations_are_done(&f->migrations, 0));
		write_text(f, files[i], "new");
		assert_false(migrations_are_done(&f->migrations, 0));
	}
	run_shell("mkdir -p $ROOT/app/db/cache_migrate", f->root);
	migrations_remember(&f->migrations);
	write_text(f, "app/db/cache_migrate/1_cache.rb", "new");
	assert_false(migrations_are_done(&f->migrations, 0));
}

/* The directory is shared by all tenants: the first of them dumps its schema there. */
static void what_a_run_leaves_in_the_application_changes_nothing(void **state)
{
	struct fixture *f = *state;

	run_shell("mkdir -p $ROOT/app/migrations", f->root);
	write_text(f, "app/migrations/0001_first.py", "first");
	migrations_remember(&f->migrations);
	run_shell("mkdir -p $ROOT/app/migrations/__pycache__", f->root);
	write_text(f, "app/db/schema.rb", "dumped");
	write_text(f, "app/db/structure.sql", "dumped");
	write_text(f, "app/migrations/__pycache__/0001_first.cpython-311.pyc", "compiled");
	write_text(f, "app/migrations/0001_first.pyc", "compiled");
	assert_true(migrations_are_done(&f->migrations, 0));
}

static void a_schema_without_migrations_decides(void **state)
{
	struct fixture *f = *state;

	run_shell("rm -r $ROOT/app/db/migrate", f->root);
	write_text(f, "app/db/schema.rb", "one");
	migrations_remember(&f->migrations);
	assert_true(migrations_are_done(&f->migrations, 0));
	write_text(f, "app/db/schema.rb", "two");
	assert_false(migrations_are_done(&f->migrations, 0));
}

static void a_fingerprint_from_elsewhere_is_as_good_as_the_record(void **state)
{
	struct fixture *f = *state;
	uint64_t known = migrations_remember(&f->migrations);
	char *record = xasprintf("%s/.prepared", f->dir);

	assert_true(known != 0);
	assert_int_equal(unlink(record), 0);
	assert_false(migrations_are_done(&f->migrations, 0));
	assert_false(migrations_are_done(&f->migrations, known + 1));
	assert_true(migrations_are_done(&f->migrations, known));
	/* The same application in another place. */
	run_shell("mv $ROOT/app $ROOT/release", f->root);
	free(f->app_root);
	f->app_root = xasprintf("%s/release", f->root);
	f->migrations.root = str_of(f->app_root);
	assert_true(migrations_are_done(&f->migrations, known));
	write_text(f, "release/db/migrate/2_more.rb", "new");
	assert_false(migrations_are_done(&f->migrations, known));
	free(record);
}

static void tables_of_the_replicator_change_nothing(void **state)
{
	struct fixture *f = *state;

	migrations_remember(&f->migrations);
	run_sql(f, "create table _litestream_seq(id integer primary key, seq integer);"
		   "create table _litestream_lock(id integer)");
	assert_true(migrations_are_done(&f->migrations, 0));
	run_sql(f, "create table xlitestream_x(id integer)");
	assert_false(migrations_are_done(&f->migrations, 0));
}

static void a_database_that_was_taken_back_is_seen(void **state)
{
	struct fixture *f = *state;

	migrations_remember(&f->migrations);
	run_sql(f, "insert into schema_migrations values ('2')");
	assert_false(migrations_are_done(&f->migrations, 0));
	migrations_remember(&f->migrations);
	run_sql(f, "create table more(x)");
	assert_false(migrations_are_done(&f->migrations, 0));
	migrations_remember(&f->migrations);
	unlink(f->database);
	assert_false(migrations_are_done(&f->migrations, 0));
}

static void a_second_database_counts_once_it_is_there(void **state)
{
	struct fixture *f = *state;
	char *path = xasprintf("%s/two.sqlite3", f->dir), *first = f->database;

	migrations_remember(&f->migrations);
	f->database = path;
	run_sql(f, "create table cache(x)");
	assert_false(migrations_are_done(&f->migrations, 0));
	migrations_remember(&f->migrations);
	assert_true(migrations_are_done(&f->migrations, 0));
	unlink(path);
	assert_false(migrations_are_done(&f->migrations, 0));
	f->database = first;
	free(path);
}

static void another_command_or_environment_is_another_matter(void **state)
{
	struct fixture *f = *state;

	migrations_remember(&f->migrations);
	f->migrations.environment = STR("staging");
	assert_false(migrations_are_done(&f->migrations, 0));
	f->migrations.environment = STR("production");
	f->command[1] = STR("db:migrate");
	assert_false(migrations_are_done(&f->migrations, 0));
}

static void a_database_that_is_none_is_prepared(void **state)
{
	struct fixture *f = *state;

	write_text(f, "data/one.sqlite3",
		"this is no database at all, but long enough to look like a file");
	migrations_remember(&f->migrations);
	assert_false(migrations_are_done(&f->migrations, 0));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_known_before_the_first_run),
		TEST(rows_of_the_application_change_nothing),
		TEST(files_are_judged_by_content_and_not_by_time),
		TEST(whatever_decides_is_seen),
		TEST(what_a_run_leaves_in_the_application_changes_nothing),
		TEST(a_schema_without_migrations_decides),
		TEST(a_fingerprint_from_elsewhere_is_as_good_as_the_record),
		TEST(tables_of_the_replicator_change_nothing),
		TEST(a_database_that_was_taken_back_is_seen),
		TEST(a_second_database_counts_once_it_is_there),
		TEST(another_command_or_environment_is_another_matter),
		TEST(a_database_that_is_none_is_prepared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
