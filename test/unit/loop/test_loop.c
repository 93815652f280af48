/* test_loop.c - watched descriptors, deferred and posted work. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "loop/loop.h"

#define THREADS	      4
#define POSTS_OF_EACH 5000
#define NOTHING_FOR   300 /* milliseconds */

static struct loop *l;
static char trace[256];

static int set_up(void **state)
{
	(void)state;
	l = loop_new();
	trace[0] = 0;
	return l ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(l);
	return 0;
}

static void note(const char *what)
{
	size_t n = strlen(trace);

	assert(n + strlen(what) < sizeof(trace));
	memcpy(trace + n, what, strlen(what) + 1);
}

static char letters[] = "abcdefghijklmnopqrstuvwxyz";

static void *letter(char c)
{
	return &letters[c - 'a'];
}

static void on_note(void *arg)
{
	const char *c = arg;

	note((char[]){*c, 0});
}

static void on_stop(void *arg)
{
	(void)arg;
	loop_stop(l);
}

static void on_defer_more(void *arg)
{
	note("a");
	loop_defer(l, on_note, letter('d'));
	loop_defer(l, on_stop, arg);
}

static void deferred_work_is_done_in_order_and_may_defer_more(void **state)
{
	(void)state;
	loop_defer(l, on_defer_more, NULL);
	loop_defer(l, on_note, letter('b'));
	loop_defer(l, on_note, letter('c'));
	loop_post(l, on_stop, NULL);
	loop_run(l);
	assert_string_equal(trace, "abcd");
}

static void what_was_deferred_is_done_before_the_loop_is_freed(void **state)
{
	struct loop *other = loop_new();

	(void)state;
	loop_defer(other, on_note, letter('x'));
	loop_defer_free(other, xmalloc(100));
	loop_free(other);
	loop_free(NULL);
	assert_string_equal(trace, "x");
}

static void on_turn(void *arg)
{
	(void)arg;
	note("t");
	loop_defer(l, on_note, letter('d'));
}

static void the_turn_s_function_runs_last_and_may_defer(void **state)
{
	(void)state;
	loop_on_turn(l, on_turn, NULL);
	loop_post(l, on_note, letter('p'));
	loop_post(l, on_stop, NULL);
	loop_run(l);
	assert_string_equal(trace, "ptd");
}

static _Atomic unsigned nposted;
static unsigned next_of[THREADS];

static void on_count(void *arg)
{
	uintptr_t v = (uintptr_t)arg;

	assert_int_equal(v % POSTS_OF_EACH, next_of[v / POSTS_OF_EACH]++);
	if (++nposted == THREADS * POSTS_OF_EACH)
		loop_stop(l);
}

static void *post_many(void *arg)
{
	uintptr_t first = (uintptr_t)arg * POSTS_OF_EACH;

	for (uintptr_t i = 0; i < POSTS_OF_EACH; i++)
		loop_post(l, on_count, (void *)(first + i));
	return NULL;
}

static void posts_of_a_thread_arrive_all_and_in_order(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	nposted = 0;
	memset(next_of, 0, sizeof(next_of));
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, (void *)i), 0);
	loop_run(l);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(nposted, THREADS * POSTS_OF_EACH);
}

struct peer {
	struct watch watch;
	int fd, other;
	unsigned events, calls;
};

static void peer_open(struct peer *p, watch_fn *on_event)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	*p = (struct peer){.fd = fds[0], .other = fds[1]};
	assert_int_equal(watch_open(&p->watch, l, p->fd, on_event), 0);
}

static void peer_close(struct peer *p)
{
	watch_close(&p->watch);
	watch_close(&p->watch);
	close(p->fd);
	close_fd(&p->other);
}

static void on_events(struct watch *w, unsigned events)
{
	struct peer *p = container_of(w, struct peer, watch);

	p->events |= events;
	p->calls++;
	loop_stop(l);
}

static void on_late(struct timer *t)
{
	note("late");
	timer_cancel(t);
	loop_stop(l);
}

/* Runs until something calls loop_stop; false when nothing did for so long. */
static bool run_up_to(msec limit)
{
	struct timer late = {0};

	timer_set(&late, l, clock_now() + limit, on_late);
	loop_run(l);
	if (!timer_is_set(&late))
		return false;
	timer_cancel(&late);
	return true;
}

static void what_happens_to_a_socket_is_told_once(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, on_events);
	assert_true(run_up_to(1000));
	assert_int_equal(p.events, LOOP_WRITE);
	p.events = 0;
	assert_int_equal(write(p.other, "x", 1), 1);
	assert_true(run_up_to(1000));
	assert_true(p.events & LOOP_READ);
	assert_false(p.events & LOOP_HUP);
	p.events = 0;
	assert_false(run_up_to(20));
	shutdown(p.other, SHUT_WR);
	assert_true(run_up_to(1000));
	assert_true(p.events & LOOP_READ);
	assert_false(p.events & LOOP_HUP);
	close_fd(&p.other);
	assert_true(run_up_to(1000));
	assert_true(p.events & LOOP_HUP);
	peer_close(&p);
}

static struct peer pair[2];

static void on_close_both(struct watch *w, unsigned events)
{
	struct peer *p = container_of(w, struct peer, watch);

	(void)events;
	p->calls++;
	watch_close(&pair[0].watch);
	watch_close(&pair[1].watch);
}

static void on_close_both_fds(struct watch *w, unsigned events)
{
	struct peer *p = container_of(w, struct peer, watch);

	(void)events;
	p->calls++;
	for (int i = 0; i < 2; i++) {
		watch_close_fd(&pair[i].watch);
		watch_close_fd(&pair[i].watch);
	}
}

static void a_descriptor_that_was_closed_with_its_watch_is_heard_of_no_more(void **state)
{
	(void)state;
	peer_open(&pair[0], on_close_both_fds);
	peer_open(&pair[1], on_close_both_fds);
	assert_false(run_up_to(20));
	assert_int_equal(pair[0].calls + pair[1].calls, 1);
	for (int i = 0; i < 2; i++) {
		char byte;

		assert_int_equal(fcntl(pair[i].fd, F_GETFD), -1);
		assert_int_equal(read(pair[i].other, &byte, 1), 0);
		close_fd(&pair[i].other);
	}
}

static void a_watch_that_was_closed_in_this_turn_hears_nothing_more(void **state)
{
	(void)state;
	peer_open(&pair[0], on_close_both);
	peer_open(&pair[1], on_close_both);
	assert_false(run_up_to(20));
	assert_int_equal(pair[0].calls + pair[1].calls, 1);
	peer_close(&pair[0]);
	peer_close(&pair[1]);
}

static void on_read_one(struct watch *w, unsigned events)
{
	struct peer *p = container_of(w, struct peer, watch);
	char byte;

	assert_true(events & LOOP_READ);
	if (read(p->fd, &byte, 1) == 1)
		p->calls++;
	if (p->calls == 3)
		loop_stop(l);
}

static void a_watch_for_reading_is_called_as_long_as_there_is_something(void **state)
{
	struct peer p;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	p = (struct peer){.fd = fds[0], .other = fds[1]};
	assert_int_equal(watch_open_read(&p.watch, l, p.fd, on_read_one), 0);
	assert_int_equal(write(p.other, "abc", 3), 3);
	assert_true(run_up_to(1000));
	assert_int_equal(p.calls, 3);
	peer_close(&p);
}

static void what_cannot_be_watched_is_an_error(void **state)
{
	struct watch w = {.fd = -1};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(watch_open(&w, l, fd, on_events), -EPERM);
	assert_int_equal(watch_open(&w, l, -1, on_events), -EBADF);
	watch_close(&w);
	close(fd);
}

static void on_stop_timer(struct timer *t)
{
	(void)t;
	loop_stop(l);
}

static unsigned nturns;

static void on_count_turns(void *arg)
{
	(void)arg;
	nturns++;
}

static void a_loop_with_nothing_to_do_does_nothing(void **state)
{
	struct rusage before, after;
	struct timer t = {0};
	struct peer p;

	(void)state;
	peer_open(&p, on_events);
	assert_true(run_up_to(1000));
	nturns = 0;
	loop_on_turn(l, on_count_turns, NULL);
	getrusage(RUSAGE_THREAD, &before);
	timer_set(&t, l, clock_now() + NOTHING_FOR, on_stop_timer);
	loop_run(l);
	getrusage(RUSAGE_THREAD, &after);
	assert_true(nturns <= 2);
	assert_true(after.ru_nvcsw - before.ru_nvcsw <= 3);
	peer_close(&p);
}

static void the_moment_of_a_turn_does_not_move_within_it(void **state)
{
	msec began, moment;

	(void)state;
	loop_post(l, on_stop, NULL);
	loop_run(l);
	moment = loop_now(l);
	began = clock_now();
	assert_true(moment <= began && began - moment < 1000);
	while (clock_now() < began + 3)
		continue;
	assert_int_equal(loop_now(l), moment);
	assert_true(clock_usec() / 1000 >= clock_now() - 1000);
}

static void on_defer_note(struct watch *w, unsigned events)
{
	char byte;

	(void)events;
	assert_int_equal(read(w->fd, &byte, 1), 1);
	loop_defer(l, on_note, letter('a'));
}

static void on_late_note(struct timer *t)
{
	(void)t;
	note("b");
	loop_stop(l);
}

/* As after a stop of the whole process: what came meanwhile may put the timer off. */
static void a_timer_that_is_late_fires_after_what_came_and_what_follows_from_it(void **state)
{
	struct timer t = {0};
	struct watch w;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(watch_open_read(&w, l, fds[0], on_defer_note), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	timer_set(&t, l, clock_now() - 1000, on_late_note);
	loop_run(l);
	assert_string_equal(trace, "ab");
	watch_close(&w);
	close(fds[0]);
	close(fds[1]);
}

#define LONG_TURN 100 /* msec */

static struct timer soon;
static msec soon_late;

static void on_soon(struct timer *t)
{
	soon_late = clock_now() - t->at;
	loop_stop(l);
}

static void on_long_turn(void *arg)
{
	msec began = loop_now(l);

	(void)arg;
	while (clock_now() < began + LONG_TURN)
		continue;
	timer_set(&soon, l, began + LONG_TURN + 20, on_soon);
}

/* On a busy machine one may be late for other reasons, but not all of them. */
static void a_long_turn_does_not_put_off_the_timers_behind_it(void **state)
{
	bool was_in_time = false;

	(void)state;
	for (int i = 0; i < 20 && !was_in_time; i++) {
		loop_post(l, on_long_turn, NULL);
		loop_run(l);
		was_in_time = soon_late < LONG_TURN / 2;
	}
	assert_true(was_in_time);
}

#define in_loop(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_loop(deferred_work_is_done_in_order_and_may_defer_more),
		in_loop(what_was_deferred_is_done_before_the_loop_is_freed),
		in_loop(the_turn_s_function_runs_last_and_may_defer),
		in_loop(posts_of_a_thread_arrive_all_and_in_order),
		in_loop(what_happens_to_a_socket_is_told_once),
		in_loop(a_watch_that_was_closed_in_this_turn_hears_nothing_more),
		in_loop(a_descriptor_that_was_closed_with_its_watch_is_heard_of_no_more),
		in_loop(a_watch_for_reading_is_called_as_long_as_there_is_something),
		in_loop(what_cannot_be_watched_is_an_error),
		in_loop(a_loop_with_nothing_to_do_does_nothing),
		in_loop(the_moment_of_a_turn_does_not_move_within_it),
		in_loop(a_timer_that_is_late_fires_after_what_came_and_what_follows_from_it),
		in_loop(a_long_turn_does_not_put_off_the_timers_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
