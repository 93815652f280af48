/* test_memory.c - the memory of real processes, with all that they started. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "control/memory.h"

#define MB (1u << 20)

static void on_surveyed(void *arg)
{
	loop_stop(arg);
}

static void survey(const pid_t *pids, size_t n, struct memory_use *uses, bool *known)
{
	struct loop *l = loop_new();
	struct memory *m = memory_survey(l, pids, n, on_surveyed, l);

	loop_run(l);
	for (size_t i = 0; i < n; i++)
		known[i] = memory_of(m, pids[i], &uses[i]);
	memory_free(m);
	loop_free(l);
}

static void touch(size_t bytes)
{
	volatile char *p = xmalloc(bytes);

	for (size_t i = 0; i < bytes; i += 1024)
		p[i] = (char)i;
}

/* A process that has `bytes` of its own, in a group of its own if it leads, and ends with us. */
static pid_t spawn(size_t bytes, bool leads, void (*then)(int ready), int ready)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (leads)
		setpgid(0, 0);
	touch(bytes);
	if (then)
		then(ready);
	else
		(void)!write(ready, "x", 1);
	for (;;)
		pause();
}

static void with_grandchild(int ready)
{
	spawn(8 * MB, false, NULL, ready);
}

/* The grandchild's parent ends, so that the group alone tells to whom it belongs. */
static void with_orphan(int ready)
{
	int touched[2];
	char byte;

	(void)!pipe(touched);
	if (fork() == 0) {
		if (fork() != 0)
			_exit(0);
		touch(8 * MB);
		(void)!write(touched[1], "x", 1);
		for (;;)
			pause();
	}
	wait(NULL);
	(void)!read(touched[0], &byte, 1);
	(void)!write(ready, "x", 1);
}

static void with_session(int ready)
{
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setsid();
		touch(8 * MB);
		(void)!write(ready, "x", 1);
		for (;;)
			pause();
	}
}

static void end(pid_t leader)
{
	kill(-leader, SIGKILL);
	kill(leader, SIGKILL);
	waitpid(leader, NULL, 0);
}

static void count_two(void (*then)(int), bool leads)
{
	int ready[2];
	char byte;
	struct memory_use use = {0};
	bool known;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = spawn(4 * MB, leads, then, ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	survey(&pid, 1, &use, &known);
	assert_true(known);
	assert_int_equal(use.processes, 2);
	assert_true(use.rss >= 12 * MB && use.rss < 200 * MB);
	assert_true(use.pss >= 12 * MB && use.pss < 200 * MB);
	end(pid);
	close(ready[0]);
	close(ready[1]);
}

static void a_grandchild_belongs_to_its_ancestor(void **state)
{
	(void)state;
	count_two(with_grandchild, true);
}

static void an_orphan_belongs_to_the_leader_of_its_group(void **state)
{
	(void)state;
	count_two(with_orphan, true);
}

static void a_session_of_its_own_does_not_hide_a_child(void **state)
{
	(void)state;
	count_two(with_session, true);
}

static void a_process_in_our_group_is_counted_too(void **state)
{
	(void)state;
	count_two(with_session, false);
}

static void each_process_is_counted_once_and_ours_is_alone(void **state)
{
	int ready[2];
	char byte;
	struct memory_use uses[3] = {0};
	bool known[3];
	pid_t pids[3] = {getpid(), 0, 0};

	(void)state;
	assert_int_equal(pipe(ready), 0);
	for (int i = 1; i < 3; i++) {
		pids[i] = spawn(MB, true, NULL, ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
	}
	survey(pids, 3, uses, known);
	for (int i = 0; i < 3; i++) {
		assert_true(known[i]);
		assert_int_equal(uses[i].processes, 1);
	}
	end(pids[1]);
	end(pids[2]);
	close(ready[0]);
	close(ready[1]);
}

static void a_process_that_is_gone_is_not_known(void **state)
{
	pid_t pid = fork();
	struct memory_use use;
	bool known;

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	survey(&pid, 1, &use, &known);
	assert_false(known);
}

static void a_survey_can_be_given_up(void **state)
{
	struct loop *l = loop_new();
	pid_t self = getpid();

	(void)state;
	memory_free(memory_survey(l, &self, 1, on_surveyed, l));
	memory_free(NULL);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grandchild_belongs_to_its_ancestor),
		cmocka_unit_test(an_orphan_belongs_to_the_leader_of_its_group),
		cmocka_unit_test(a_session_of_its_own_does_not_hide_a_child),
		cmocka_unit_test(a_process_in_our_group_is_counted_too),
		cmocka_unit_test(each_process_is_counted_once_and_ours_is_alone),
		cmocka_unit_test(a_process_that_is_gone_is_not_known),
		cmocka_unit_test(a_survey_can_be_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
