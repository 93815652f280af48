/* test_opening.c - files asked for over a link, and what the two sides do not take from each other.
 */
/* SPDX-License-Identifier: MIT */
#include "link/opening.h"
#include "link/packet.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

#define MANY 100

struct world {
	struct loop *loop;
	int supervisor; /* its end */
	struct opener *opener;
	unsigned answers, opened, closed, wanted;
	enum opening_result last;
	char why[OPENING_WHY_MAX + 1];
};

static void on_closed(void *arg)
{
	struct world *w = arg;

	w->closed++;
	loop_stop(w->loop);
}

static void on_opened(void *arg, enum opening_result result, str why, int fd)
{
	struct world *w = arg;

	w->answers++;
	w->opened += fd >= 0;
	w->last = result;
	snprintf(w->why, sizeof(w->why), STR_FMT, STR_ARG(why));
	close_fd(&fd);
	if (w->answers == w->wanted)
		loop_stop(w->loop);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	int fds[2];

	assert_int_equal(packet_pair(fds), 0);
	w->loop = loop_new();
	w->supervisor = fds[0];
	w->opener = opener_new(w->loop, fds[1], on_closed, w);
	assert_non_null(w->opener);
	*state = w;
	return 0;
}

/* The links of a proxy live as long as it does: there is no way to end one from its side. */
static int teardown(void **state)
{
	struct world *w = *state;

	close_fd(&w->supervisor);
	if (!w->closed)
		loop_run(w->loop);
	assert_int_equal(w->closed, 1);
	free(w->opener);
	loop_free(w->loop);
	free(w);
	return 0;
}

static struct opening *ask(struct world *w, str path)
{
	return opener_ask(w->opener, STR("bellevue"), path, OPENING_URI, on_opened, w);
}

static void a_file_is_asked_for_and_comes(void **state)
{
	struct world *w = *state;
	struct opening_request r;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_non_null(ask(w, STR("/a/b")));
	assert_int_equal(opening_receive(w->supervisor, &r), 0);
	assert_true(str_eq(r.tenant, STR("bellevue")) && str_eq(r.path, STR("/a/b")));
	assert_int_equal(r.form, OPENING_URI);
	assert_int_equal(opening_receive(w->supervisor, &r), -EAGAIN);
	assert_int_equal(opening_answer(w->supervisor, r.number, OPENING_OPENED, STR_EMPTY, fd), 0);
	close(fd);
	w->wanted = 1;
	loop_run(w->loop);
	assert_int_equal(w->opened, 1);
	assert_int_equal(w->last, OPENING_OPENED);
}

static void a_refusal_says_why(void **state)
{
	struct world *w = *state;
	struct opening_request r;

	assert_non_null(ask(w, STR_EMPTY));
	assert_int_equal(opening_receive(w->supervisor, &r), 0);
	assert_int_equal(r.path.n, 0);
	assert_int_equal(
		opening_answer(w->supervisor, r.number, OPENING_OUTSIDE, STR("outside"), -1), 0);
	w->wanted = 1;
	loop_run(w->loop);
	assert_int_equal(w->last, OPENING_OUTSIDE);
	assert_string_equal(w->why, "outside");
	assert_int_equal(w->opened, 0);
}

/* Answers what is there. */
static unsigned answer_all(struct world *w)
{
	struct opening_request r;
	unsigned n = 0;

	while (opening_receive(w->supervisor, &r) == 0) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_int_equal(
			opening_answer(w->supervisor, r.number, OPENING_OPENED, STR_EMPTY, fd), 0);
		close(fd);
		n++;
	}
	return n;
}

static void on_time(struct timer *t)
{
	loop_stop(t->loop);
}

static void turn(struct world *w)
{
	struct timer timer = {0};

	timer_set(&timer, w->loop, clock_now() + 5, on_time);
	loop_run(w->loop);
}

static void more_than_the_link_takes_wait_for_their_turn(void **state)
{
	struct world *w = *state;
	unsigned answered = 0;

	for (int i = 0; i < MANY; i++)
		assert_non_null(ask(w, STR("/a")));
	for (int i = 0; i < MANY && w->answers < MANY; i++) {
		unsigned n = answer_all(w);

		assert_true(n < MANY);
		answered += n;
		turn(w);
	}
	assert_int_equal(answered, MANY);
	assert_int_equal(w->opened, MANY);
}

static void nobody_hears_of_what_was_cancelled(void **state)
{
	struct world *w = *state;

	opening_cancel(ask(w, STR("/a")));
	assert_non_null(ask(w, STR("/b")));
	assert_int_equal(answer_all(w), 2);
	w->wanted = 1;
	loop_run(w->loop);
	turn(w);
	assert_int_equal(w->answers, 1);
}

static void an_answer_that_nobody_asked_for_ends_the_link(void **state)
{
	struct world *w = *state;

	assert_int_equal(opening_answer(w->supervisor, 0, OPENING_REFUSED, STR_EMPTY, -1), 0);
	loop_run(w->loop);
	assert_int_equal(w->closed, 1);
}

static void an_answer_out_of_order_ends_the_link(void **state)
{
	struct world *w = *state;
	struct opening_request r;
	struct opening *op = ask(w, STR("/a"));

	assert_int_equal(opening_receive(w->supervisor, &r), 0);
	assert_int_equal(
		opening_answer(w->supervisor, r.number + 1, OPENING_REFUSED, STR_EMPTY, -1), 0);
	loop_run(w->loop);
	assert_int_equal(w->answers, 0);
	free(op);
}

/* As a supervisor gone wrong might. */
static void send_answer(struct world *w, uint32_t number, uint32_t result, size_t why)
{
	char packet[8 + OPENING_WHY_MAX + 1] = {0};

	memcpy(packet, &number, 4);
	memcpy(packet + 4, &result, 4);
	assert_true(send(w->supervisor, packet, 8 + why, 0) > 0);
	loop_run(w->loop);
}

static void an_answer_without_its_descriptor_ends_the_link(void **state)
{
	struct world *w = *state;
	struct opening_request r;
	struct opening *op = ask(w, STR("/a"));

	assert_int_equal(opening_receive(w->supervisor, &r), 0);
	send_answer(w, r.number, OPENING_OPENED, 0);
	assert_int_equal(w->answers, 0);
	free(op);
}

static void an_answer_that_brings_more_than_its_result_may_ends_the_link(void **state)
{
	struct world *w = *state;
	struct opening_request r;
	struct opening *op = ask(w, STR("/a"));

	assert_int_equal(opening_receive(w->supervisor, &r), 0);
	send_answer(w, r.number, OPENING_REFUSED, OPENING_WHY_MAX + 1);
	assert_int_equal(w->answers, 0);
	free(op);
}

static void an_answer_that_there_is_not_ends_the_link(void **state)
{
	struct world *w = *state;
	struct opening_request r;
	struct opening *op = ask(w, STR("/a"));

	assert_int_equal(opening_receive(w->supervisor, &r), 0);
	send_answer(w, r.number, OPENING_OUTSIDE + 1, 0);
	assert_int_equal(w->answers, 0);
	free(op);
}

/* What a proxy gone wrong may send. */
static void requests_that_are_not_well_formed_are_noticed(void **state)
{
	static const struct {
		uint32_t words[4];
		size_t size;
	} cases[] = {
		{{0, 0, 0, 0}, 4},
		{{0, OPENING_NFORMS, 0, 0}, 16},
		{{0, 0, 1, 0}, 16},
		{{0, 0, 0, 1}, 16},
		{{0, 0, UINT32_MAX, 1}, 16},
		{{0, 0, OPENING_TENANT_MAX + 1, 0}, 16},
		{{0, 0, 0, OPENING_PATH_MAX + 1}, 16},
	};
	static char large[OPENING_TENANT_MAX + OPENING_PATH_MAX + 17];
	struct opening_request r;
	int fds[2];

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	for (size_t i = 0; i < NITEMS(cases); i++) {
		assert_true(send(fds[1], cases[i].words, cases[i].size, 0) > 0);
		assert_int_equal(opening_receive(fds[0], &r), -EPROTO);
	}
	assert_true(send(fds[1], large, sizeof(large), 0) > 0);
	assert_int_equal(opening_receive(fds[0], &r), -EPROTO);
	close(fds[1]);
	assert_int_equal(opening_receive(fds[0], &r), -EPIPE);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_asked_for_and_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(
			more_than_the_link_takes_wait_for_their_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nobody_hears_of_what_was_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_answer_that_nobody_asked_for_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_answer_out_of_order_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_answer_without_its_descriptor_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_answer_that_brings_more_than_its_result_may_ends_the_link, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			an_answer_that_there_is_not_ends_the_link, setup, teardown),
		cmocka_unit_test(requests_that_are_not_well_formed_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
