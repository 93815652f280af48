/* test_slept.c - what two looks at the clocks say, and what the kernel says. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/slept.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* How far each clock has gone on between two looks that were to be a second apart. */
static const struct {
	const char *what;
	struct clocks moved;
	bool soon;
	enum slept_sign sign;
	msec length;
} cases[] = {
	{"nothing was", {1000, 1000, 1000}, false, SLEPT_NOT, 0},
	{"a busy machine", {9000, 9000, 9000}, false, SLEPT_NOT, 0},
	{"stopped, with clocks that go on", {61000, 61000, 61000}, false, SLEPT_STOPPED, 60000},
	{"a short stop, which nobody expects", {3000, 3000, 3000}, false, SLEPT_NOT, 0},
	{"a short stop, which is expected", {3000, 3000, 3000}, true, SLEPT_STOPPED, 2000},
	{"suspended, as Linux counts it", {1000, 3601000, 3601000}, false, SLEPT_APART, 3600000},
	{"continued, and then the time was set", {1000, 1000, 28801000}, false, SLEPT_STEPPED,
		28800000},
	{"no clock has counted it", {1000, 1000, 1000}, true, SLEPT_NOT, 0},
	{"the time of day was set back", {1000, 1000, -500000}, false, SLEPT_NOT, 0},
	{"a clock that is disciplined", {1000, 1000, 3500}, false, SLEPT_NOT, 0},
};

static void test_each_sign_is_told_from_what_is_none(void **state)
{
	const struct clocks before = {5000000, 9000000, 1795861512000};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		const struct clocks *moved = &cases[i].moved,
				    now = {before.monotonic + moved->monotonic,
					    before.boottime + moved->boottime,
					    before.realtime + moved->realtime};
		msec length;

		if (clocks_compare(&before, &now, 1000, cases[i].soon, &length) != cases[i].sign ||
			length != cases[i].length)
			fail_msg("%s", cases[i].what);
	}
}

/* --- the kernel's messages --- */

static char path[] = "/tmp/atc-kmsg-XXXXXX/kmsg";
static struct loop *l;
static unsigned told;

static void on_slept(void *arg, const char *how, msec length, bool is_step)
{
	(void)arg, (void)length;
	assert_non_null(strstr(how, "snapshot"));
	assert_false(is_step);
	told++;
	loop_stop(l);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void test_the_kernels_word_of_a_fork_is_heard(void **state)
{
	struct slept slept;
	int fd;

	(void)state;
	*strrchr(path, '/') = '\0';
	assert_non_null(mkdtemp(path));
	path[strlen(path)] = '/';
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	l = loop_new();
	slept_start(&slept, l, &(struct slept_sources){.kmsg = path}, on_slept, NULL);
	say(fd, "6,1234,5678,-;eth0: link is up\n");
	/* Names that others chose, and what is not the kernel's. */
	say(fd, "4,1236,5679,-;evil[8422]: segfault at 0 in virtual machine fork[1d975]\n");
	say(fd, "12,1237,5680,-;random: crng reseeded due to virtual machine fork\n");
	say(fd, "6,1235,5679,-;random: crng reseeded due to virtual machine fork\n");
	loop_run(l);
	assert_int_equal(told, 1);
	slept_stop(&slept);
	slept_stop(&slept);
	loop_free(l);
	close(fd);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void test_a_machine_without_these_files_is_watched_all_the_same(void **state)
{
	struct slept slept;

	(void)state;
	l = loop_new();
	slept_start(&slept, l,
		&(struct slept_sources){.kmsg = "/no/such/kmsg", .ptp = "/no/such/ptp"}, on_slept,
		NULL);
	slept_expect(&slept, true);
	slept_expect(&slept, false);
	slept_stop(&slept);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sign_is_told_from_what_is_none),
		cmocka_unit_test(test_the_kernels_word_of_a_fork_is_heard),
		cmocka_unit_test(test_a_machine_without_these_files_is_watched_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
