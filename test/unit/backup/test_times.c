/* test_times.c - how long a wake and a sleep take with a database of a megabyte, or of as many as
 * the second argument says; the medians are printed. */
/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "backup/live.h"
#include "base/alloc.h"

#define ROUNDS 10
#define LIMIT  1500u /* msec, on a busy machine with a store next door */

enum step {
	BORN,
	RESTORE,
	ATTACH_RESTORED,
	DETACH,
	WAKE,
	ATTACH_WOKEN,
	COMPARE,
	DETACH_AGAIN,
	REST,
	NSTEPS
};
static const char *const names[NSTEPS] = {"restore (new tenant)", "restore (from the store)",
	"attach (after that: first upload)", "detach (100 rows, and the first upload read back)",
	"restore (all is here)", "attach (nothing new)", "reading all pages for a comparison",
	"detach (100 new rows)", "detach (nothing new)"};

static enum rig_store kind;
static int megabytes = 1;

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t timed(struct rig *r, struct backup_result (*step)(struct rig *))
{
	uint64_t began = clock_usec();
	struct backup_result result = step(r);

	if (!result.is_ok)
		fail_msg("%s", result.reason);
	return clock_usec() - began;
}

static uint64_t time_reading(struct rig *r)
{
	CLEAN_FREE char *path = rig_path(r, "primary");
	uint64_t began = clock_usec();
	atomic_bool stop = false;
	struct pages pages = {0};
	struct why why;

	if (live_read(path, &stop, &pages, &why) < 0)
		fail_msg("%s", why.text);
	assert_true(pages.count > 0);
	pages_done(&pages);
	return clock_usec() - began;
}

static void waking_and_sleeping_are_quick(void **state)
{
	uint64_t times[NSTEPS][ROUNDS];
	struct rig *r = rig_new(kind);

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		str id = r->tenant.id;

		r->tenant.id = str_of((char[]){'x', (char)('a' + i), '\0'});
		times[BORN][i] = timed(r, rig_restore);
		assert_true(rig_detach(r).is_ok);
		rig_wipe(r);
		r->tenant.id = id;
	}
	if (megabytes > 1)
		r->conf.backup.sync_timeout = r->conf.backup.restore_timeout = 60000;
	backup_configure(r->backup, &r->conf);
	rig_wake(r);
	rig_make_rows(r, "primary", 20000 * megabytes);
	rig_sleep(r);
	for (int i = 0; i < ROUNDS; i++) {
		rig_wipe(r);
		times[RESTORE][i] = timed(r, rig_restore);
		times[ATTACH_RESTORED][i] = timed(r, rig_attach);
		rig_make_rows(r, "primary", 100);
		times[DETACH][i] = timed(r, rig_detach);
		times[WAKE][i] = timed(r, rig_restore);
		times[ATTACH_WOKEN][i] = timed(r, rig_attach);
		rig_make_rows(r, "primary", 100);
		times[COMPARE][i] = time_reading(r);
		times[DETACH_AGAIN][i] = timed(r, rig_detach);
		rig_wake(r);
		times[REST][i] = timed(r, rig_detach);
	}
	for (int step = 0; step < NSTEPS; step++) {
		qsort(times[step], ROUNDS, sizeof(times[step][0]), compare);
		printf("%-50s %6.1f ms (%.1f to %.1f)\n", names[step],
			(double)times[step][ROUNDS / 2] / 1000, (double)times[step][0] / 1000,
			(double)times[step][ROUNDS - 1] / 1000);
		if (megabytes == 1)
			assert_true(times[step][ROUNDS / 2] < LIMIT * 1000);
	}
	rig_free(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(waking_and_sleeping_are_quick)};

	kind = argc > 1 && strcmp(argv[1], "s3") == 0 ? RIG_S3 : RIG_FILE;
	if (argc > 2)
		megabytes = atoi(argv[2]);
	return cmocka_run_group_tests_name(kind == RIG_S3 ? "s3" : "file", tests, NULL, NULL);
}
