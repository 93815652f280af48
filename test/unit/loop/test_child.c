/* test_child.c - real children end, and it is told once, with their status. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/child.h"

#define MANY 50

static struct loop *l;
static unsigned nended;
static int last_status;

struct one {
	struct child child;
	unsigned ends, expected_status;
};

static int set_up(void **state)
{
	(void)state;
	l = loop_new();
	nended = 0;
	return l ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(l);
	return 0;
}

static pid_t start(int status)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (status < 0)
		for (;;)
			pause();
	_exit(status);
}

static void on_exit_of_one(struct child *c, int status)
{
	(void)c;
	last_status = status;
	nended++;
	loop_stop(l);
}

static void a_status_is_that_of_the_child(void **state)
{
	struct child c;

	(void)state;
	assert_int_equal(child_open(&c, l, start(7), on_exit_of_one), 0);
	assert_int_equal(nended, 0);
	loop_run(l);
	assert_true(WIFEXITED(last_status));
	assert_int_equal(WEXITSTATUS(last_status), 7);
	assert_int_equal(waitpid(c.pid, NULL, 0), -1);
	assert_int_equal(child_signal(&c, SIGTERM), -ESRCH);
	child_close(&c);
}

static void a_signal_reaches_it_and_is_its_status(void **state)
{
	struct child c;

	(void)state;
	assert_int_equal(child_open(&c, l, start(-1), on_exit_of_one), 0);
	assert_int_equal(child_signal(&c, 0), 0);
	assert_int_equal(child_signal(&c, SIGKILL), 0);
	loop_run(l);
	assert_true(WIFSIGNALED(last_status));
	assert_int_equal(WTERMSIG(last_status), SIGKILL);
}

static void on_exit_of_many(struct child *c, int status)
{
	struct one *one = container_of(c, struct one, child);

	one->ends++;
	assert_int_equal(WEXITSTATUS(status), one->expected_status);
	if (++nended == MANY)
		loop_stop(l);
}

static void many_that_end_together_are_each_told_once(void **state)
{
	static struct one many[MANY];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		many[i] = (struct one){.expected_status = i};
		assert_int_equal(child_open(&many[i].child, l, start((int)i), on_exit_of_many), 0);
	}
	loop_run(l);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(many[i].ends, 1);
}

static void on_end(struct timer *t)
{
	(void)t;
	loop_stop(l);
}

static void a_child_that_is_watched_no_more_is_left_alone(void **state)
{
	struct timer end = {0};
	struct child c;

	(void)state;
	assert_int_equal(child_open(&c, l, start(0), on_exit_of_one), 0);
	child_close(&c);
	child_close(&c);
	timer_set(&end, l, clock_now() + 20, on_end);
	loop_run(l);
	assert_int_equal(nended, 0);
	assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
}

static void a_child_that_others_reaped_has_ended_all_the_same(void **state)
{
	struct child c;

	(void)state;
	assert_int_equal(child_open(&c, l, start(3), on_exit_of_one), 0);
	assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
	loop_run(l);
	assert_int_equal(nended, 1);
	assert_int_equal(WEXITSTATUS(last_status), 255);
}

static void on_still_there(struct child *c)
{
	siginfo_t info = {0};

	assert_int_equal(waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT | WNOHANG), 0);
	assert_int_equal(info.si_pid, c->pid);
	nended += 10;
}

static void before_it_is_reaped_its_pid_is_its_own(void **state)
{
	struct child c;

	(void)state;
	assert_int_equal(child_open(&c, l, start(0), on_exit_of_one), 0);
	c.before_reap = on_still_there;
	loop_run(l);
	assert_int_equal(nended, 11);
}

static void what_is_no_process_cannot_be_watched(void **state)
{
	pid_t pid = start(0);
	struct child c, zero = {0};

	(void)state;
	waitpid(pid, NULL, 0);
	assert_int_equal(child_open(&c, l, pid, on_exit_of_one), -ESRCH);
	child_close(&zero);
}

#define in_loop(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_loop(a_status_is_that_of_the_child),
		in_loop(a_signal_reaches_it_and_is_its_status),
		in_loop(many_that_end_together_are_each_told_once),
		in_loop(a_child_that_is_watched_no_more_is_left_alone),
		in_loop(a_child_that_others_reaped_has_ended_all_the_same),
		in_loop(before_it_is_reaped_its_pid_is_its_own),
		in_loop(what_is_no_process_cannot_be_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
