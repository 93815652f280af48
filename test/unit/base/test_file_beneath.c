/* test_file_beneath.c - files below a directory, while others are renamed. */
/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

#define LOOKUPS 20000

static char home[] = "/tmp/atc-beneath-XXXXXX";
static int dir;

static int setup(void **state)
{
	int fd;

	(void)state;
	if (!mkdtemp(home) || (dir = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	assert_int_equal(mkdirat(dir, "a", 0755), 0);
	assert_int_equal(mkdirat(dir, "b", 0755), 0);
	fd = openat(dir, "a/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlinkat("../a/f", dir, "b/to_f"), 0);
	assert_int_equal(symlinkat("../../etc/passwd", dir, "b/out"), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir, "b/root"), 0);
	assert_int_equal(symlinkat("/proc/self/fd/0", dir, "b/magic"), 0);
	return 0;
}

static int teardown(void **state)
{
	char *command = xasprintf("rm -r %s", home);
	int r = system(command);

	(void)state;
	close(dir);
	free(command);
	return r;
}

static void what_is_beneath_is_opened_and_nothing_else(void **state)
{
	static const struct {
		const char *name;
		int error;
	} cases[] = {
		{"a/f", 0},
		{"b/to_f", 0},
		{"b/../a/f", 0},
		{"a/none", -ENOENT},
		{"../f", -EXDEV},
		{"/etc/passwd", -EXDEV},
		{"b/out", -EXDEV},
		{"b/root", -EXDEV},
		{"b/magic", -EXDEV},
		{"", -ENOENT},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		int fd = -1, r = file_open_beneath(dir, cases[i].name, &fd);

		if (r != cases[i].error || (fd >= 0) != (r == 0))
			fail_msg("%s: %d", cases[i].name, r);
		if (fd >= 0)
			assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close_fd(&fd);
	}
}

static void *rename_always(void *arg)
{
	_Atomic bool *is_over = arg;

	assert_int_equal(mkdirat(dir, "c", 0755), 0);
	while (!atomic_load(is_over)) {
		renameat(dir, "c", dir, "d");
		renameat(dir, "d", dir, "c");
	}
	return NULL;
}

static void renames_of_others_are_no_reason_to_fail(void **state)
{
	_Atomic bool is_over = false;
	pthread_t thread;
	int failed = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, rename_always, &is_over), 0);
	for (int i = 0; i < LOOKUPS; i++) {
		int fd = -1;

		failed += file_open_beneath(dir, "b/to_f", &fd) < 0;
		close_fd(&fd);
	}
	atomic_store(&is_over, true);
	pthread_join(thread, NULL);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_beneath_is_opened_and_nothing_else),
		cmocka_unit_test(renames_of_others_are_no_reason_to_fail),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
