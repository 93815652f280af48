/* test_signals.c - signals are events, and only those that were asked for. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "loop/signals.h"

static const int asked[] = {SIGUSR1, SIGTERM, SIGWINCH, 0};

static struct loop *l;
static struct signals s;
static unsigned counts[65];
static uint32_t sender;

static void on_signal(void *arg, const struct signalfd_siginfo *info)
{
	assert_ptr_equal(arg, &s);
	counts[info->ssi_signo]++;
	sender = info->ssi_pid;
}

static void on_stop(void *arg)
{
	(void)arg;
	loop_stop(l);
}

static void run_once(void)
{
	loop_post(l, on_stop, NULL);
	loop_run(l);
}

static int set_up(void **state)
{
	(void)state;
	l = loop_new();
	memset(counts, 0, sizeof(counts));
	return l ? signals_open(&s, l, asked, on_signal, &s) : -1;
}

static int tear_down(void **state)
{
	(void)state;
	signals_close(&s);
	signals_close(&s);
	loop_free(l);
	return 0;
}

static void each_signal_that_was_asked_for_is_told(void **state)
{
	(void)state;
	for (const int *number = asked; *number; number++)
		kill(getpid(), *number);
	run_once();
	for (const int *number = asked; *number; number++)
		assert_int_equal(counts[*number], 1);
	assert_int_equal(sender, getpid());
}

static void others_keep_their_action(void **state)
{
	sigset_t blocked;

	(void)state;
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	assert_true(sigismember(&blocked, SIGTERM));
	assert_false(sigismember(&blocked, SIGINT));
}

static void *see_mask(void *arg)
{
	pthread_sigmask(SIG_BLOCK, NULL, arg);
	return NULL;
}

static void threads_made_later_do_not_take_them(void **state)
{
	sigset_t blocked;
	pthread_t thread;

	(void)state;
	sigemptyset(&blocked);
	assert_int_equal(pthread_create(&thread, NULL, see_mask, &blocked), 0);
	pthread_join(thread, NULL);
	assert_true(sigismember(&blocked, SIGTERM));
}

static void on_close(void *arg, const struct signalfd_siginfo *info)
{
	on_signal(arg, info);
	signals_close(&s);
}

static void they_may_be_closed_by_their_own_callback(void **state)
{
	(void)state;
	s.on_signal = on_close;
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGWINCH);
	run_once();
	assert_int_equal(counts[SIGUSR1] + counts[SIGWINCH], 1);
}

#define in_loop(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_loop(each_signal_that_was_asked_for_is_told),
		in_loop(others_keep_their_action),
		in_loop(threads_made_later_do_not_take_them),
		in_loop(they_may_be_closed_by_their_own_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
