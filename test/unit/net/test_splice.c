/* test_splice.c - a body passes through a pipe whole, however little the sockets and the pipe take.
 */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/splice.h"

#define BODY (300u * 1024)

/* from[1] -> from[0] -> pipe -> to[0] -> to[1] */
struct passage {
	int from[2], to[2];
	struct splice_pipe pipe;
	struct flow flow;
	struct inbox in;
	struct outbox out;
};

static void passage_open(struct passage *p, uint64_t length)
{
	int small = 4096;

	*p = (struct passage){.in = {.can_read = true}};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->from), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->to), 0);
	setsockopt(p->to[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	flow_init(&p->flow, BODY_LENGTH, length, BODY_LENGTH);
	assert_int_equal(splice_open(&p->pipe), 0);
}

static void passage_close(struct passage *p)
{
	for (int i = 0; i < 2; i++) {
		close(p->from[i]);
		close(p->to[i]);
	}
	splice_close(&p->pipe);
	outbox_done(&p->out);
}

static enum spliced pass(struct passage *p)
{
	return splice_pass(&p->pipe, &p->flow, &p->in, p->from[0], &p->out, p->to[0]);
}

static char byte_at(size_t i)
{
	return (char)('a' + i * 7 % 26);
}

/* As much as goes. */
static size_t feed(struct passage *p, size_t sent)
{
	char block[10000];
	size_t size = MIN(sizeof(block), BODY - sent);
	ssize_t n;

	for (size_t i = 0; i < size; i++)
		block[i] = byte_at(sent + i);
	n = write(p->from[1], block, size);
	p->in.can_read = true;
	return sent + (size_t)MAX(n, 0);
}

static size_t take(struct passage *p, size_t taken, size_t most)
{
	char block[3000];
	ssize_t n = read(p->to[1], block, MIN(most, sizeof(block)));

	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(block[i], byte_at(taken + (size_t)i));
	return taken + (size_t)MAX(n, 0);
}

static void pass_all(struct passage *p, size_t most)
{
	size_t sent = 0, taken = 0;

	for (unsigned i = 0; taken < BODY && i < 10u * BODY; i++) {
		if (sent < BODY)
			sent = feed(p, sent);
		switch (p->flow.is_done && !p->pipe.held ? SPLICED : pass(p)) {
		case SPLICED:
			break;
		case SPLICE_WAITS:
			assert_true(p->out.is_blocked || !p->in.can_read);
			p->out.is_blocked = false;
			break;
		case SPLICE_SOURCE_ENDED:
		case SPLICE_SINK_FAILED:
			fail();
		}
		taken = take(p, taken, most);
	}
	assert_int_equal(taken, BODY);
	assert_int_equal(p->pipe.held, 0);
	assert_true(p->flow.is_done);
}

static void test_a_body_passes_whole_a_sink_that_takes_little(void **state)
{
	struct passage p;

	(void)state;
	for (size_t most = 1000; most <= 3000; most += 1000) {
		passage_open(&p, BODY);
		pass_all(&p, most);
		passage_close(&p);
	}
}

static void test_a_body_passes_whole_a_short_pipe(void **state)
{
	struct passage p;

	(void)state;
	passage_open(&p, BODY);
	assert_true(fcntl(p.pipe.write_fd, F_SETPIPE_SZ, 4096) > 0);
	pass_all(&p, 3000);
	passage_close(&p);
}

static void test_no_byte_behind_the_body_is_touched(void **state)
{
	struct passage p;
	char rest[16];

	(void)state;
	passage_open(&p, 5);
	assert_int_equal(write(p.from[1], "helloGET /", 10), 10);
	assert_int_equal(pass(&p), SPLICED);
	assert_true(p.flow.is_done);
	assert_int_equal(read(p.to[1], rest, sizeof(rest)), 5);
	assert_int_equal(read(p.from[0], rest, sizeof(rest)), 5);
	passage_close(&p);
}

static void test_the_end_of_the_source_in_the_middle_is_told_after_what_came(void **state)
{
	struct passage p;
	char got[16];

	(void)state;
	passage_open(&p, 100);
	assert_int_equal(write(p.from[1], "part", 4), 4);
	shutdown(p.from[1], SHUT_WR);
	assert_int_equal(pass(&p), SPLICED);
	assert_int_equal(pass(&p), SPLICE_SOURCE_ENDED);
	assert_int_equal(read(p.to[1], got, sizeof(got)), 4);
	assert_int_equal(p.flow.left, 96);
	passage_close(&p);
}

static void test_a_sink_that_is_gone_is_told(void **state)
{
	struct passage p;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	passage_open(&p, 100);
	assert_int_equal(write(p.from[1], "part", 4), 4);
	close(p.to[1]);
	assert_int_equal(pass(&p), SPLICE_SINK_FAILED);
	assert_int_equal(p.pipe.held, 4);
	p.to[1] = dup(p.to[0]);
	passage_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_body_passes_whole_a_sink_that_takes_little),
		cmocka_unit_test(test_a_body_passes_whole_a_short_pipe),
		cmocka_unit_test(test_no_byte_behind_the_body_is_touched),
		cmocka_unit_test(test_the_end_of_the_source_in_the_middle_is_told_after_what_came),
		cmocka_unit_test(test_a_sink_that_is_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
