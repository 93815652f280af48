/* test_backup.c - a tenant's databases through its life, with a real Litestream, on a directory and
 * on S3. */
/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <signal.h>
#include <stdlib.h>

#include "base/alloc.h"

#define TENANT "bellevue/2025/winter"
#define HEAD   TENANT "/HEAD"

static enum rig_store kind; /* of the group that runs */

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

static bool is_sealed(struct rig *r)
{
	struct head head = read_head(r);
	bool is = head.is_sealed;

	head_done(&head);
	return is;
}

static void assert_reason(struct backup_result result, const char *part)
{
	assert_false(result.is_ok);
	if (!strstr(result.reason, part))
		fail_msg("the reason does not say \"%s\": %s", part, result.reason);
}

/* A tenant with rows, asleep: everything is in the store and here. */
static void put_to_sleep_with(struct rig *r, int rows)
{
	rig_wake(r);
	for (size_t i = 0; i < r->app.ndatabases; i++)
		rig_make_rows(r, r->dbs[i].name.p, rows);
	rig_sleep(r);
}

static void a_new_tenant_is_born_once(void **state)
{
	struct rig *r = *state;
	struct backup_result result = rig_restore(r);

	assert_true(result.is_ok);
	assert_true(result.is_new);
	assert_int_equal(head_epoch(r), 1);
	assert_true(rig_exists(STR_FMT "/" RECORD_FILE, STR_ARG(r->tenant.dir)));
	result = rig_restore(r);
	assert_true(result.is_ok);
	assert_false(result.is_new);
	assert_int_equal(head_epoch(r), 1);
}

static void every_committed_row_comes_back(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 100);
	assert_true(rig_attach(r).is_ok);
	rig_make_rows(r, "primary", 11);
	rig_sleep(r);
	assert_true(is_sealed(r));
	for (int i = 0; i < 3; i++) {
		rig_wipe(r);
		rig_wake(r);
		assert_int_equal(rig_count(r, "primary"), 111 + i);
		assert_int_equal(head_epoch(r), 2 + i);
		assert_false(is_sealed(r));
		rig_make_rows(r, "primary", 1);
		rig_sleep(r);
	}
}

static void a_tenant_that_sleeps_and_wakes_keeps_its_epoch(void **state)
{
	struct rig *r = *state;

	put_to_sleep_with(r, 5);
	rig_close(r);
	rig_open(r);
	put_to_sleep_with(r, 5);
	assert_int_equal(rig_count(r, "primary"), 10);
	assert_int_equal(head_epoch(r), 1);
}

static void databases_go_and_come_together(void **state)
{
	struct rig *r = *state;

	rig_add_queue(r);
	put_to_sleep_with(r, 40);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 40);
	assert_int_equal(rig_count(r, "queue"), 40);
}

/* Litestream finds it by itself; HEAD does not name it when the machine is lost. */
static void a_database_that_was_never_recorded_comes_back(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 7);
	rig_turn_for(r, 2500); /* its own rhythm is a second */
	rig_close(r);
	rig_wipe(r);
	rig_open(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 7);
}

static void a_lost_database_among_others_comes_back(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *queue = rig_path(r, "queue");

	rig_add_queue(r);
	put_to_sleep_with(r, 6);
	rig_shell("rm %s*", queue);
	rig_wake(r);
	assert_int_equal(rig_count(r, "queue"), 6);
	rig_make_rows(r, "primary", 1);
	rig_sleep(r);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 7);
	assert_int_equal(rig_count(r, "queue"), 6);
}

static void without_store_nothing_is_made(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	rig_store_down(r);
	assert_reason(rig_restore(r), "the store gives no answer");
	assert_false(rig_exists("%s", path));
	rig_store_up(r);
	assert_true(rig_restore(r).is_new);
}

static void what_was_here_is_not_replaced_without_store(void **state)
{
	struct rig *r = *state;

	put_to_sleep_with(r, 3);
	rig_wipe(r);
	rig_store_down(r);
	assert_reason(rig_restore(r), "the store gives no answer");
	rig_store_up(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 3);
}

static bool is_caught_up(struct rig *r)
{
	struct entry *e = entry_find(r->backup, r->tenant.id);

	return e && !e->is_offline && !e->running;
}

static void proven_files_are_served_without_store_and_catch_up(void **state)
{
	struct rig *r = *state;
	struct backup_result result;

	put_to_sleep_with(r, 3);
	rig_store_down(r);
	result = rig_restore(r);
	assert_true(result.is_ok);
	assert_true(result.reason[0] != '\0');
	assert_true(rig_attach(r).is_ok);
	rig_make_rows(r, "primary", 2);
	rig_store_up(r);
	rig_until(r, is_caught_up);
	rig_make_rows(r, "primary", 1);
	rig_sleep(r);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 6);
}

static void a_wal_without_database_is_set_aside(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	put_to_sleep_with(r, 9);
	rig_shell("rm %s; echo another life > %s-wal; echo x > %s-journal", path, path, path);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 9);
	rig_shell("grep -q 'another life' " STR_FMT "/.stale/*/production.sqlite3-wal",
		STR_ARG(r->tenant.dir));
	rig_shell(
		"test -e " STR_FMT "/.stale/*/production.sqlite3-journal", STR_ARG(r->tenant.dir));
}

static void an_empty_file_is_no_database(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	put_to_sleep_with(r, 4);
	rig_shell("rm %s*; : > %s", path, path);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 4);
}

static void litter_of_a_killed_restore_is_removed(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	put_to_sleep_with(r, 4);
	rig_wipe(r);
	rig_shell(
		"mkdir -p $(dirname %s); for s in '' .tmp .tmp-wal .tmp-shm -wal; do echo x > %s.restoring$s; done",
		path, path);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 4);
	rig_shell("! ls %s.restoring* 2>/dev/null", path);
}

static void an_alien_file_is_left_alone(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	put_to_sleep_with(r, 4);
	rig_shell("echo this is no database at all > %s; rm -f %s-wal %s-shm", path, path, path);
	assert_reason(rig_restore(r), "no SQLite database");
	rig_shell("grep -q 'no database at all' %s", path);
}

static void a_missing_replica_is_an_error(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	put_to_sleep_with(r, 4);
	rig_wipe(r);
	rig_remove_object(r, TENANT "/00000001/primary/");
	assert_reason(rig_restore(r), "replica of primary is missing");
	assert_false(rig_exists("%s", path));
	assert_reason(rig_restore(r), "replica of primary is missing");
}

static void a_missing_record_is_an_error(void **state)
{
	struct rig *r = *state;

	put_to_sleep_with(r, 4);
	rig_wipe(r);
	rig_remove_object(r, HEAD);
	assert_reason(rig_restore(r), "no record HEAD");
}

static void a_damaged_record_is_an_error(void **state)
{
	struct rig *r = *state;

	put_to_sleep_with(r, 4);
	rig_put_object(
		r, HEAD, "{\"tenant\":\"boston\",\"epoch\":1,\"state\":\"open\",\"databases\":{}}");
	assert_reason(rig_restore(r), "damaged or not of fly-atc");
}

static void a_lost_upload_is_an_error(void **state)
{
	struct rig *r = *state;
	struct buf text = {0};
	struct head head;

	put_to_sleep_with(r, 4);
	head = read_head(r);
	head_set(&head, "primary", 1, head_find(&head, "primary")->txid + 1);
	head_write(&head, r->tenant.id, &text);
	buf_add_char(&text, '\0');
	rig_put_object(r, HEAD, text.p + text.start);
	head_done(&head);
	buf_done(&text);
	rig_wipe(r);
	assert_reason(rig_restore(r), "an upload was lost");
}

static void damage_is_found_before_anything_starts(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	assert_true(rig_restore(r).is_new);
	rig_make_rows(r, "primary", 2000);
	rig_sql(r, "primary", "PRAGMA wal_checkpoint(truncate)");
	rig_shell("dd if=/dev/zero of=%s bs=4096 seek=5 count=3 conv=notrunc status=none", path);
	assert_true(rig_attach(r).is_ok);
	rig_sleep(r);
	rig_wipe(r);
	assert_reason(rig_restore(r), "restored damaged");
	assert_false(rig_exists("%s", path));
}

static void databases_from_before_are_adopted(void **state)
{
	struct rig *r = *state;

	rig_make_rows(r, "primary", 12);
	assert_false(rig_restore(r).is_new);
	assert_true(rig_attach(r).is_ok);
	rig_sleep(r);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 12);
}

/* The disk of another day comes back: it must not win. */
static void an_older_copy_is_set_aside(void **state)
{
	struct rig *r = *state;
	str dir = r->tenant.dir;

	put_to_sleep_with(r, 3);
	rig_shell("cp -a " STR_FMT " %s/older", STR_ARG(dir), r->dir);
	rig_wipe(r);
	put_to_sleep_with(r, 5);
	rig_wipe(r);
	rig_shell("cp -a %s/older " STR_FMT, r->dir, STR_ARG(dir));
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 8);
	rig_shell("test -e " STR_FMT "/.stale/*.epoch-1/production.sqlite3", STR_ARG(dir));
}

static void an_older_store_does_not_win(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *older = NULL;

	put_to_sleep_with(r, 3);
	older = rig_object(r, HEAD);
	rig_wipe(r);
	put_to_sleep_with(r, 5);
	rig_put_object(r, HEAD, older);
	assert_reason(rig_restore(r), "put back to an older state");
	assert_int_equal(rig_count(r, "primary"), 8);
}

static bool has_new_daemon(struct rig *r)
{
	struct entry *e = entry_find(r->backup, r->tenant.id);
	struct replica *primary = &e->dbs[0].replica;

	return daemon_is_ready(r->backup->daemon) &&
	       primary->registered_in == daemon_generation(r->backup->daemon) &&
	       primary->registered_in > 1 && primary->is_confirmed && !e->running;
}

static void a_killed_daemon_is_replaced(void **state)
{
	struct rig *r = *state;
	pid_t before;

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	assert_true(rig_attach(r).is_ok);
	before = rig_daemon_pid(r);
	assert_true(before > 0);
	assert_int_equal(kill(before, SIGKILL), 0);
	rig_make_rows(r, "primary", 5);
	rig_until(r, has_new_daemon);
	assert_int_not_equal(rig_daemon_pid(r), before);
	rig_make_rows(r, "primary", 5);
	rig_sleep(r);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 15);
}

static void a_daemon_that_dies_while_a_tenant_stops_loses_nothing(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	assert_int_equal(kill(rig_daemon_pid(r), SIGKILL), 0);
	rig_sleep(r);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 5);
}

static void a_daemon_that_has_leaked_enough_is_replaced(void **state)
{
	struct rig *r = *state;
	pid_t before;

	r->backup->timing.max_released = 2;
	put_to_sleep_with(r, 1);
	before = rig_daemon_pid(r);
	put_to_sleep_with(r, 1);
	put_to_sleep_with(r, 1);
	assert_int_not_equal(rig_daemon_pid(r), before);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 3);
}

static bool is_confirmed(struct rig *r)
{
	return backup_pending(r->backup, &r->tenant).n == 0;
}

static void a_stalled_daemon_is_replaced(void **state)
{
	struct rig *r = *state;
	pid_t before;

	r->conf.backup.sync_timeout = 600;
	backup_configure(r->backup, &r->conf);
	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	before = rig_daemon_pid(r);
	assert_int_equal(kill(before, SIGSTOP), 0);
	assert_false(rig_detach(r).is_ok); /* its answers do not come: failing since now */
	rig_until(r, is_confirmed);
	assert_int_not_equal(rig_daemon_pid(r), before);
}

static void a_stop_without_store_is_made_up_for(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	assert_true(rig_attach(r).is_ok);
	rig_store_down(r);
	rig_make_rows(r, "primary", 6);
	assert_false(rig_detach(r).is_ok);
	assert_false(is_confirmed(r));
	assert_true(rig_exists("%s", path));
	rig_store_up(r);
	rig_until(r, is_confirmed);
	assert_true(is_sealed(r));
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 11);
}

static void a_tenant_may_wake_while_its_stop_is_unconfirmed(void **state)
{
	struct rig *r = *state;
	struct backup_result result;

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	assert_true(rig_attach(r).is_ok);
	rig_store_down(r);
	rig_make_rows(r, "primary", 6);
	assert_false(rig_detach(r).is_ok);
	result = rig_restore(r);
	assert_true(result.is_ok);
	assert_true(rig_attach(r).is_ok);
	assert_true(is_confirmed(r)); /* it is awake: nothing is pending */
	rig_make_rows(r, "primary", 1);
	rig_store_up(r);
	rig_until(r, is_caught_up);
	rig_sleep(r);
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 12);
}

static bool is_closed(struct rig *r)
{
	return !rig_exists(STR_FMT "/" RECORD_OPEN, STR_ARG(r->tenant.dir));
}

/* Killed: nobody has said goodbye.  Litestream was killed first, or it would have brought the rows
 * to the store. */
static void what_a_killed_fly_atc_left_is_caught_up(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	assert_true(rig_attach(r).is_ok);
	assert_int_equal(kill(rig_daemon_pid(r), SIGSTOP), 0);
	rig_make_rows(r, "primary", 6);
	assert_int_equal(kill(rig_daemon_pid(r), SIGKILL), 0);
	rig_close(r);
	assert_true(rig_exists(STR_FMT "/" RECORD_OPEN, STR_ARG(r->tenant.dir)));
	r->conf.tenants = &r->tenant;
	r->conf.ntenants = 1;
	rig_open(r);
	backup_catch_up(r->backup, &r->conf);
	rig_until(r, is_closed);
	assert_true(is_sealed(r));
	rig_wipe(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 11);
}

static void a_wake_during_the_catch_up_is_served(void **state)
{
	struct rig *r = *state;

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	rig_close(r);
	r->conf.tenants = &r->tenant;
	r->conf.ntenants = 1;
	for (msec pause = 0; pause < 100; pause += 10) {
		rig_open(r);
		backup_catch_up(r->backup, &r->conf);
		rig_turn_for(r, pause);
		rig_wake(r);
		assert_true(entry_find(r->backup, r->tenant.id)->is_attached);
		assert_int_equal(rig_count(r, "primary"), 5);
		rig_turn_for(r, 100);
		assert_true(entry_find(r->backup, r->tenant.id)->is_attached);
		rig_close(r);
	}
}

static void replicas_of_older_epochs_are_removed(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 3; i++) {
		put_to_sleep_with(r, 3);
		rig_wipe(r);
	}
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 9);
	for (int epoch = 1; epoch <= 3; epoch++) {
		CLEAN_FREE char *prefix = xasprintf(TENANT "/%08x/", epoch);
		struct why why;
		bool has;

		assert_int_equal(
			store_has(r->backup->store, prefix, clock_now() + 5000, &has, &why), 0);
		assert_int_equal(has, epoch == 3);
	}
}

static bool is_daemon_gone(struct rig *r)
{
	return rig_daemon_pid(r) == 0;
}

static void nothing_runs_while_all_sleep(void **state)
{
	struct rig *r = *state;

	put_to_sleep_with(r, 2);
	rig_until(r, is_daemon_gone);
	assert_null(entry_find(r->backup, r->tenant.id));
	assert_false(timer_is_set(&r->backup->watchdog.timer));
	put_to_sleep_with(r, 2);
	assert_int_equal(rig_count(r, "primary"), 4);
}

static unsigned answers;

static void on_answer(void *arg, const struct backup_result *result)
{
	(void)arg, (void)result;
	answers++;
}

static void a_stop_in_the_middle_answers_everybody(void **state)
{
	struct rig *r = *state;

	put_to_sleep_with(r, 2);
	rig_wipe(r);
	answers = 0;
	backup_restore(r->backup, &r->tenant, on_answer, NULL);
	backup_attach(r->backup, &r->tenant, on_answer, NULL);
	rig_turn_for(r, 30);
	rig_close(r);
	assert_int_equal(answers, 2);
	rig_open(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 2);
}

#define MANY 12

static void on_counted(void *arg, const struct backup_result *result)
{
	(void)result;
	++*(int *)arg;
}

/* An operation that ends while others are told to must not hide one of them: that one would go on
 * until its own limit. */
static void a_stop_ends_all_restores_that_wait(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *program = xasprintf("%s/slow", r->dir), *real = rig_program("litestream");
	struct tenant_conf tenants[MANY];
	int ended = 0;
	msec began;

	rig_close(r);
	rig_shell(
		"printf '#!/bin/sh\\n[ $1 = restore ] && exec sleep 60\\nexec %s \"$@\"\\n' > %s; "
		"chmod +x %s",
		real, program, program);
	r->conf.backup.program = str_of(program);
	r->conf.backup.max_restores = 1;
	r->conf.backup.restore_timeout = 600000;
	rig_open(r);
	for (int i = 0; i < MANY; i++) {
		CLEAN_FREE char *key = xasprintf("tenant%d/HEAD", i);
		CLEAN_FREE char *head = xasprintf(
			"{\"tenant\":\"tenant%d\",\"epoch\":1,\"state\":\"sealed\",\"databases\":"
			"{\"primary\":{\"epoch\":1,\"txid\":1}},\"left\":[]}",
			i);

		tenants[i] = r->tenant;
		tenants[i].id = str_of(xasprintf("tenant%d", i));
		tenants[i].dir = str_of(xasprintf("%s/tenants/tenant%d", r->dir, i));
		rig_put_object(r, key, head);
		backup_restore(r->backup, &tenants[i], on_counted, &ended);
	}
	for (int i = 0;
		i < 50 && (r->backup->restoring.count == 0 || work_pending(r->backup->work)); i++)
		rig_turn_for(r, 100);
	assert_int_equal(ended, 0);
	began = clock_now();
	rig_close(r);
	assert_int_equal(ended, MANY);
	assert_true(clock_now() - began < RIG_LIMIT);
	for (int i = 0; i < MANY; i++) {
		free((char *)(uintptr_t)tenants[i].id.p);
		free((char *)(uintptr_t)tenants[i].dir.p);
	}
}

static void status_is_json(void **state)
{
	struct rig *r = *state;
	struct buf text = {0};
	json_t *json, *database;

	rig_wake(r);
	rig_make_rows(r, "primary", 5);
	assert_true(rig_attach(r).is_ok);
	backup_status_json(r->backup, &text);
	json = json_loadb(text.p + text.start, buf_len(&text), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "url")), r->url);
	database = json_array_get(json_object_get(json, "databases"), 0);
	assert_string_equal(json_string_value(json_object_get(database, "tenant")), TENANT);
	assert_string_equal(json_string_value(json_object_get(database, "state")), "confirmed");
	assert_int_equal(json_array_size(json_object_get(json, "pending")), 0);
	json_decref(json);
	buf_done(&text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest cases[] = {
	CASE(a_new_tenant_is_born_once),
	CASE(every_committed_row_comes_back),
	CASE(a_tenant_that_sleeps_and_wakes_keeps_its_epoch),
	CASE(databases_go_and_come_together),
	CASE(a_database_that_was_never_recorded_comes_back),
	CASE(a_lost_database_among_others_comes_back),
	CASE(without_store_nothing_is_made),
	CASE(what_was_here_is_not_replaced_without_store),
	CASE(proven_files_are_served_without_store_and_catch_up),
	CASE(a_wal_without_database_is_set_aside),
	CASE(an_empty_file_is_no_database),
	CASE(litter_of_a_killed_restore_is_removed),
	CASE(an_alien_file_is_left_alone),
	CASE(a_missing_replica_is_an_error),
	CASE(a_missing_record_is_an_error),
	CASE(a_damaged_record_is_an_error),
	CASE(a_lost_upload_is_an_error),
	CASE(damage_is_found_before_anything_starts),
	CASE(databases_from_before_are_adopted),
	CASE(an_older_copy_is_set_aside),
	CASE(an_older_store_does_not_win),
	CASE(a_killed_daemon_is_replaced),
	CASE(a_daemon_that_dies_while_a_tenant_stops_loses_nothing),
	CASE(a_stalled_daemon_is_replaced),
	CASE(a_daemon_that_has_leaked_enough_is_replaced),
	CASE(a_stop_without_store_is_made_up_for),
	CASE(a_tenant_may_wake_while_its_stop_is_unconfirmed),
	CASE(what_a_killed_fly_atc_left_is_caught_up),
	CASE(a_wake_during_the_catch_up_is_served),
	CASE(replicas_of_older_epochs_are_removed),
	CASE(nothing_runs_while_all_sleep),
	CASE(a_stop_in_the_middle_answers_everybody),
	CASE(a_stop_ends_all_restores_that_wait),
	CASE(status_is_json),
};

/* The store answers, but not to us. */
static void wrong_keys_are_an_error(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");

	put_to_sleep_with(r, 3);
	rig_close(r);
	rig_wipe(r);
	r->conf.backup.secret_access_key = STR("wrong");
	rig_open(r);
	assert_reason(rig_restore(r), "SignatureDoesNotMatch");
	assert_false(rig_exists("%s", path));
	rig_close(r);
	r->conf.backup.access_key_id = STR("nobody");
	rig_open(r);
	assert_reason(rig_restore(r), "the store gives no answer");
	assert_false(rig_exists("%s", path));
	rig_close(r);
	r->conf.backup.access_key_id = STR("testkey");
	r->conf.backup.secret_access_key = STR("testsecret");
	rig_open(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 3);
}

/* A listing says more of each object than its key, and is read up to a limit. */
static void an_epoch_of_many_objects_with_long_names_is_removed(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *left = xasprintf("%s/atc/some/prefix/" TENANT "/00000001", r->store_dir);

	put_to_sleep_with(r, 3);
	rig_shell("d=%s/$(printf 'd%%.0s' $(seq 240)); mkdir -p $d; for i in $(seq 500); do "
		  ": > $d/$(printf 'f%%.0s' $(seq 230))$i; done",
		left);
	rig_wipe(r);
	rig_wake(r);
	rig_sleep(r);
	rig_shell("test -z \"$(find %s -type f 2> /dev/null)\"", left);
}

static const struct CMUnitTest s3_cases[] = {
	CASE(an_epoch_of_many_objects_with_long_names_is_removed),
	CASE(wrong_keys_are_an_error),
};

int main(int argc, char **argv)
{
	kind = argc > 1 && strcmp(argv[1], "s3") == 0 ? RIG_S3 : RIG_FILE;
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	if (kind == RIG_FILE)
		return cmocka_run_group_tests_name("file", cases, NULL, NULL);
	return cmocka_run_group_tests_name("s3", cases, NULL, NULL) +
	       cmocka_run_group_tests_name("s3 only", s3_cases, NULL, NULL);
}
