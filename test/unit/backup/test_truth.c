/* test_truth.c - the store has what the database is: what nobody watched, what took another's
 * place, and what Litestream got wrong. */
/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "backup/confirm.h"
#include "base/alloc.h"
#include "base/log.h"

#define TENANT "bellevue/2025/winter"
#define HEAD   TENANT "/HEAD"

static enum rig_store kind;

static int set_up(void **state)
{
	*state = rig_new(kind);
	return 0;
}

static int tear_down(void **state)
{
	rig_free(*state);
	return 0;
}

static struct head read_head(struct rig *r)
{
	CLEAN_FREE char *text = rig_object(r, HEAD);
	struct head head = {0};
	struct why why;

	assert_non_null(text);
	assert_int_equal(head_read(str_of(text), r->tenant.id, &head, &why), 0);
	return head;
}

static uint64_t head_epoch(struct rig *r)
{
	struct head head = read_head(r);
	uint64_t epoch = head.epoch;

	head_done(&head);
	return epoch;
}

static void put_to_sleep_with(struct rig *r, int rows)
{
	rig_wake(r);
	for (size_t i = 0; i < r->app.ndatabases; i++)
		rig_make_rows(r, r->dbs[i].name.p, rows);
	rig_sleep(r);
}

/* What is here, on another machine: the same rows, in the same order. */
static void assert_comes_back(struct rig *r, int rows)
{
	CLEAN_FREE char *path = rig_path(r, "primary");

	rig_shell("sqlite3 %s 'SELECT rowid, x FROM t ORDER BY rowid' > %s/here", path, r->dir);
	rig_sleep(r);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), rows);
	rig_shell(
		"sqlite3 %s 'SELECT rowid, x FROM t ORDER BY rowid' | cmp - %s/here", path, r->dir);
	rig_shell("sqlite3 %s 'PRAGMA integrity_check' | grep -qx ok", path);
}

/* --- what nobody watched --- */

static void what_was_written_between_sleep_and_wake_begins_an_epoch(void **state)
{
	struct rig *r = *state;

	put_to_sleep_with(r, 5);
	assert_int_equal(head_epoch(r), 1);
	rig_make_rows(r, "primary", 3); /* an operator */
	rig_wake(r);
	assert_int_equal(head_epoch(r), 2);
	assert_comes_back(r, 8);
}

static void what_was_written_between_restore_and_attach_begins_an_epoch(void **state)
{
	struct rig *r = *state;

	put_to_sleep_with(r, 5);
	assert_true(rig_restore(r).is_ok);
	rig_make_rows(r, "primary", 3); /* migrations */
	assert_true(rig_attach(r).is_ok);
	assert_int_equal(head_epoch(r), 2);
	assert_comes_back(r, 8);
}

static void the_first_copy_of_a_new_database_is_whole(void **state)
{
	struct rig *r = *state;

	assert_true(rig_restore(r).is_ok);
	rig_make_rows(r, "primary", 3000); /* more than a WAL holds */
	rig_make_rows(r, "primary", 3);
	assert_true(rig_attach(r).is_ok);
	assert_int_equal(head_epoch(r), 1);
	assert_comes_back(r, 3003);
}

/* Its WAL is gone afterwards, its times are others, its pages are not. */
static void who_only_reads_begins_no_epoch(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	put_to_sleep_with(r, 5);
	rig_shell("sqlite3 %s 'SELECT count(*) FROM t' > /dev/null", path);
	rig_shell("touch %s", path);
	rig_wake(r);
	assert_int_equal(head_epoch(r), 1);
	rig_make_rows(r, "primary", 1);
	assert_int_equal(head_epoch(r), 1);
	assert_comes_back(r, 6);
}

static void a_life_that_ended_badly_begins_an_epoch(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	assert_true(rig_attach(r).is_ok);
	rig_close(r);
	rig_make_rows(r, "primary", 2);
	rig_open(r);
	rig_wake(r);
	assert_int_equal(head_epoch(r), 2);
	assert_comes_back(r, 7);
}

/* --- one file in the place of another --- */

static void replace(struct rig *r, const char *how)
{
	CLEAN_FREE char *path = rig_path(r, "primary");

	rig_shell("rm -f %s.new; sqlite3 %s.new \"PRAGMA journal_mode=wal; CREATE TABLE t(x); "
		  "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 700) "
		  "INSERT INTO t SELECT hex(randomblob(40)) FROM c\" > /dev/null",
		path, path);
	if (strcmp(how, "mv") == 0)
		rig_shell("rm -f %s-wal %s-shm; mv %s.new %s", path, path, path, path);
	else if (strcmp(how, "anew") == 0)
		rig_shell("rm -f %s %s-wal %s-shm; sqlite3 %s.new .dump | sqlite3 %s", path, path,
			path, path, path);
	else
		rig_shell("rm -f %s.into; sqlite3 %s \"VACUUM INTO '%s.into'\"; "
			  "rm -f %s-wal %s-shm; mv %s.into %s",
			path, path, path, path, path, path, path);
}

static void replaced_while_attached(struct rig *r, const char *how)
{
	rig_wake(r);
	rig_make_rows(r, "primary", 900);
	assert_true(rig_attach(r).is_ok);
	replace(r, how);
	assert_comes_back(r, rig_count(r, "primary"));
	assert_true(head_epoch(r) > 2); /* one is that of the restore */
}

static void a_database_that_was_renamed_over_comes_back_whole(void **state)
{
	replaced_while_attached(*state, "mv");
}

/* The same file, the same size, no transaction: nothing but the pages tells. */
static void a_database_that_was_copied_over_comes_back_whole(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	put_to_sleep_with(r, 900);
	rig_shell("sqlite3 %s 'SELECT count(*) FROM t' > /dev/null", path); /* ends the WAL */
	rig_wake(r);
	rig_shell("cp %s %s.new && sqlite3 %s.new 'UPDATE t SET x = hex(randomblob(20))' && "
		  "cp %s.new %s",
		path, path, path, path, path);
	assert_comes_back(r, 900);
	assert_int_equal(head_epoch(r), 3);
}

static void a_database_that_was_made_anew_comes_back_whole(void **state)
{
	replaced_while_attached(*state, "anew");
}

static void a_database_that_was_vacuumed_into_its_place_comes_back_whole(void **state)
{
	replaced_while_attached(*state, "into");
}

static bool is_in_second_epoch(struct rig *r)
{
	struct entry *e = entry_find(r->backup, r->tenant.id);

	return e->head.epoch == 2 && e->dbs[0].replica.is_confirmed && !e->running;
}

static void a_replaced_database_is_noticed_while_it_is_in_use(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 900);
	assert_true(rig_attach(r).is_ok);
	replace(r, "mv");
	rig_until(r, is_in_second_epoch);
	assert_comes_back(r, 700);
}

/* --- what the store has is read, and compared --- */

static struct database *primary(struct rig *r)
{
	return &entry_find(r->backup, r->tenant.id)->dbs[0];
}

static bool is_verified(struct rig *r)
{
	struct database *db = primary(r);

	return db->verified_txid && db->verified_txid == db->replica.txid &&
	       !entry_find(r->backup, r->tenant.id)->running;
}

static void a_running_database_is_compared(void **state)
{
	struct rig *r = *state;
	struct buf text = {0};

	r->conf.backup.verify_interval = 1;
	backup_configure(r->backup, &r->conf);
	rig_wake(r);
	rig_make_rows(r, "primary", 500);
	rig_until(r, is_verified);
	backup_status_json(r->backup, &text);
	assert_true(str_find(buf_str(&text), STR("\"state\":\"confirmed\"")) >= 0);
	assert_true(str_find(buf_str(&text), STR("\"verified_txid\":")) >= 0);
	buf_done(&text);
	assert_int_equal(head_epoch(r), 1);
}

/* As if Litestream had missed a page: what it brought there is not what is here. */
static void spoil(struct rig *r)
{
	struct database *db = primary(r);

	assert_true(db->mirror.pages.count > 2);
	db->mirror.pages.hash[db->mirror.pages.count - 1] ^= 1;
	db->verified_txid = 0;
}

static void a_difference_begins_an_epoch_while_it_runs(void **state)
{
	struct rig *r = *state;

	r->conf.backup.verify_interval = 1;
	backup_configure(r->backup, &r->conf);
	rig_wake(r);
	rig_make_rows(r, "primary", 500);
	rig_until(r, is_verified);
	spoil(r);
	rig_until(r, is_in_second_epoch);
	rig_until(r, is_verified);
	assert_false(primary(r)->is_doubted);
	assert_comes_back(r, 500);
}

static void a_damaged_file_in_the_store_begins_an_epoch(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *key = NULL;

	rig_wake(r);
	rig_make_rows(r, "primary", 500);
	assert_true(rig_attach(r).is_ok);
	key = store_ltx_key(r->backup->store, TENANT "/00000001/primary", 1);
	rig_put_object(r, key, "LTX1 and nothing that makes sense after it");
	assert_comes_back(r, 500);
	assert_int_equal(head_epoch(r), 3);
}

/* The application that runs was quicker than the Litestream that was told of it again. */
static void a_wal_that_began_anew_before_litestream_saw_it_begins_an_epoch(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 500);
	assert_true(rig_attach(r).is_ok);
	primary(r)->is_resumed = true;
	primary(r)->resumed_salt[0] = primary(r)->registered.wal_salt[0] + 1;
	rig_until(r, is_in_second_epoch);
	assert_comes_back(r, 500);
}

/* SQLite makes the WAL durable after it has written a commit to it, and before it names the commit
 * in the index of the WAL. */
static int die(sqlite3_file *file, int flags)
{
	(void)file, (void)flags;
	return kill(getpid(), SIGKILL);
}

/* As a program of its own: a writer that is killed in the middle of a commit. */
static int die_in_commit(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_file *wal = NULL;
	static sqlite3_io_methods methods;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
		sqlite3_exec(db,
			"PRAGMA synchronous = FULL; BEGIN IMMEDIATE;"
			"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 900) "
			"INSERT INTO t SELECT hex(randomblob(20)) FROM c",
			NULL, NULL, NULL) != SQLITE_OK ||
		sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) != SQLITE_OK)
		return 0;
	methods = *wal->pMethods;
	methods.xSync = die;
	wal->pMethods = &methods;
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return 0;
}

/* Litestream has what the dead one wrote, and goes on behind it. */
static void what_follows_a_commit_that_died_half_way_is_not_missed(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");
	char self[PATH_MAX] = "";

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	rig_wake(r);
	rig_make_rows(r, "primary", 500);
	assert_true(rig_attach(r).is_ok);
	rig_shell("! %s die %s", self, path);
	assert_true(rig_attach(r).is_ok);
	rig_sql(r, "primary", "INSERT INTO t VALUES ('acknowledged')");
	assert_true(rig_attach(r).is_ok);
	assert_true(primary(r)->replica.is_confirmed);
	rig_until(r, is_in_second_epoch);
	rig_close(r); /* the machine dies */
	rig_wipe(r);
	rig_open(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 501);
}

static void a_quiet_database_is_not_compared_without_need(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 500);
	assert_true(rig_attach(r).is_ok);
	rig_turn_for(r, 1000); /* looks */
	assert_int_equal(primary(r)->verified_txid, 0);
	assert_int_equal(head_epoch(r), 1);
}

/* As Litestream leaves it when it has merged files, after an hour: a restore tells what there is.
 */
static void a_missing_file_in_the_store_is_made_up_for_by_a_restore(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *replica = xasprintf("%s%s/" TENANT "/00000001/primary", r->store_dir,
		kind == RIG_S3 ? "/atc/some/prefix" : "");
	const char *from = kind == RIG_S3 ? "0000" : "ltx/0",
		   *to = kind == RIG_S3 ? "0001" : "ltx/1";

	rig_wake(r);
	rig_make_rows(r, "primary", 500);
	assert_true(rig_attach(r).is_ok);
	rig_make_rows(r, "primary", 1);
	assert_true(rig_attach(r).is_ok);
	mirror_done(&primary(r)->mirror); /* as after a long sleep of the machine */
	rig_shell("cd %s && mkdir -p %s && mv %s/*1.ltx %s/", replica, to, from, to);
	rig_sleep(r);
	assert_int_equal(head_epoch(r), 1);
	rig_wake(r);
	assert_comes_back(r, 501);
}

/* --- a crash after each step of a renewal --- */

static void take_head(struct rig *r, const char *writer)
{
	struct head head = read_head(r);
	struct buf text = {0};
	char *by;

	head.epoch++;
	head.is_sealed = false;
	head_write(&head, r->tenant.id, &text);
	buf_add_char(&text, '\0');
	by = strstr(text.p + text.start, "\"written_by\":\"");
	assert_non_null(by);
	if (writer) /* of the same length, in its place */
		memcpy(by + strlen("\"written_by\":\""), writer, strlen(writer));
	rig_put_object(r, HEAD, text.p + text.start);
	buf_done(&text);
	head_done(&head);
}

static void a_renewal_that_died_after_its_announcement_changes_nothing(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *dir = str_dup(r->tenant.dir);
	struct why why;

	put_to_sleep_with(r, 5);
	assert_int_equal(proof_announce(dir, r->tenant.id, 1, &why), 0);
	rig_close(r);
	rig_open(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 5);
	assert_int_equal(head_epoch(r), 1);
}

static void a_renewal_that_died_after_taking_the_epoch_keeps_what_is_here(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *dir = str_dup(r->tenant.dir);
	struct why why;

	put_to_sleep_with(r, 5);
	rig_make_rows(r, "primary", 2); /* only here */
	assert_int_equal(proof_announce(dir, r->tenant.id, 1, &why), 0);
	take_head(r, NULL);
	rig_close(r);
	rig_open(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 7);
	assert_false(rig_exists("%s/.stale", dir));
	assert_comes_back(r, 7);
}

static void an_epoch_that_somebody_else_took_is_not_ours(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *dir = str_dup(r->tenant.dir);
	struct why why;

	put_to_sleep_with(r, 5);
	rig_make_rows(r, "primary", 2);
	assert_int_equal(proof_announce(dir, r->tenant.id, 1, &why), 0);
	take_head(r, "fly-btc");
	rig_close(r);
	rig_open(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 5);
	assert_true(rig_exists("%s/.stale", dir));
}

/* --- nobody waits --- */

static void a_wake_does_not_wait_for_a_litestream_that_dies(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = xasprintf("%s/dies", r->dir);
	CLEAN_FREE char *real = rig_program("litestream");
	struct backup_result result;
	msec began;

	put_to_sleep_with(r, 5);
	rig_close(r);
	rig_shell("printf '#!/bin/sh\\n[ $1 = version ] && exec %s version\\nexit 1\\n' > %s; "
		  "chmod +x %s",
		real, path, path);
	r->conf.backup.program = str_of(path);
	rig_open(r);
	rig_restore(r);
	rig_turn_for(r, 1500); /* some deaths: its pauses are long now */
	began = clock_now();
	result = rig_attach(r);
	assert_true(result.is_ok);
	assert_true(result.reason[0] != '\0');
	assert_true(clock_now() - began < 4000);
	rig_make_rows(r, "primary", 2);
	assert_false(rig_detach(r).is_ok);
	rig_close(r);
	r->conf.backup.program = STR("litestream");
	rig_open(r);
	rig_wake(r);
	assert_true(head_epoch(r) > 1);
	assert_comes_back(r, 7);
}

static void a_wake_does_not_wait_for_a_store_that_refuses(void **state)
{
	struct rig *r = *state;
	struct backup_result result;

	put_to_sleep_with(r, 5);
	rig_shell("mkdir %s/" HEAD ".tmp", r->store_dir);
	result = rig_restore(r);
	assert_true(result.is_ok);
	result = rig_attach(r);
	assert_true(result.is_ok);
	assert_true(result.reason[0] != '\0');
	rig_make_rows(r, "primary", 2);
	assert_false(rig_detach(r).is_ok);
	rig_shell("rmdir %s/" HEAD ".tmp", r->store_dir);
	assert_comes_back(r, 7);
}

static pid_t hung;

static bool is_another_daemon(struct rig *r)
{
	return rig_daemon_pid(r) > 0 && rig_daemon_pid(r) != hung;
}

static void a_litestream_that_hangs_is_ended(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	assert_true(rig_attach(r).is_ok);
	r->backup->timing.stall_limit = 3600000;
	hung = rig_daemon_pid(r);
	assert_int_equal(kill(hung, SIGSTOP), 0);
	for (int i = 0; i < 3 && !is_another_daemon(r); i++)
		rig_turn_for(r, 7000);
	assert_true(is_another_daemon(r));
	assert_comes_back(r, 5);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest cases[] = {
	CASE(what_was_written_between_sleep_and_wake_begins_an_epoch),
	CASE(what_was_written_between_restore_and_attach_begins_an_epoch),
	CASE(the_first_copy_of_a_new_database_is_whole),
	CASE(who_only_reads_begins_no_epoch),
	CASE(a_life_that_ended_badly_begins_an_epoch),
	CASE(a_database_that_was_renamed_over_comes_back_whole),
	CASE(a_database_that_was_copied_over_comes_back_whole),
	CASE(a_database_that_was_made_anew_comes_back_whole),
	CASE(a_database_that_was_vacuumed_into_its_place_comes_back_whole),
	CASE(a_replaced_database_is_noticed_while_it_is_in_use),
	CASE(a_running_database_is_compared),
	CASE(a_difference_begins_an_epoch_while_it_runs),
	CASE(a_damaged_file_in_the_store_begins_an_epoch),
	CASE(a_wal_that_began_anew_before_litestream_saw_it_begins_an_epoch),
	CASE(what_follows_a_commit_that_died_half_way_is_not_missed),
	CASE(a_quiet_database_is_not_compared_without_need),
	CASE(a_missing_file_in_the_store_is_made_up_for_by_a_restore),
	CASE(a_renewal_that_died_after_its_announcement_changes_nothing),
	CASE(a_renewal_that_died_after_taking_the_epoch_keeps_what_is_here),
	CASE(an_epoch_that_somebody_else_took_is_not_ours),
	CASE(a_wake_does_not_wait_for_a_litestream_that_dies),
	CASE(a_litestream_that_hangs_is_ended),
};

static const struct CMUnitTest file_cases[] = {
	CASE(a_wake_does_not_wait_for_a_store_that_refuses),
};

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "die") == 0)
		return die_in_commit(argv[2]);
	kind = argc > 1 && strcmp(argv[1], "s3") == 0 ? RIG_S3 : RIG_FILE;
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	if (kind == RIG_S3)
		return cmocka_run_group_tests_name("s3", cases, NULL, NULL);
	return cmocka_run_group_tests_name("file", cases, NULL, NULL) +
	       cmocka_run_group_tests_name("file only", file_cases, NULL, NULL);
}
