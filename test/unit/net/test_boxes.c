/* test_boxes.c - nothing that a socket does not take is lost, and nothing that is read is read
 * twice. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/inbox.h"
#include "net/outbox.h"

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void test_a_full_socket_keeps_the_rest_in_order(void **state)
{
	static struct gather g;
	static char block[100000], got[1000];
	struct outbox out = {0};
	size_t total = 0, i = 0;
	int fds[2];
	ssize_t n;

	(void)state;
	pair(fds);
	for (size_t k = 0; k < sizeof(block); k++)
		block[k] = (char)(k % 251);
	for (int k = 0; k < 10; k++) {
		gather_add(&g, (str){block, sizeof(block)});
		assert_int_equal(outbox_send(&out, fds[0], &g), 0);
	}
	assert_true(out.is_blocked);
	assert_false(outbox_is_empty(&out));
	while (total < 10 * sizeof(block)) {
		n = read(fds[1], got, sizeof(got));
		if (n < 0) {
			outbox_unblock(&out);
			assert_int_equal(outbox_flush(&out, fds[0]), 0);
			continue;
		}
		for (ssize_t k = 0; k < n; k++, i++)
			assert_int_equal((unsigned char)got[k], (i % sizeof(block)) % 251);
		total += (size_t)n;
	}
	assert_true(outbox_is_empty(&out));
	outbox_done(&out);
	close(fds[0]);
	close(fds[1]);
}

/* An answer of our own may come when the loop has just said that there is room for what waits. */
static void test_what_waits_goes_before_what_is_sent_after_an_unblock(void **state)
{
	static struct gather g;
	static char block[1000000], got[sizeof(block) + 10];
	struct outbox out = {0};
	size_t total = 0;
	int fds[2];
	ssize_t n;

	(void)state;
	pair(fds);
	gather_add(&g, (str){block, sizeof(block)});
	assert_int_equal(outbox_send(&out, fds[0], &g), 0);
	assert_true(out.is_blocked);
	for (bool is_last = false; total < sizeof(block) + 4;) {
		n = read(fds[1], got + total, sizeof(got) - total);
		if (n > 0) {
			total += (size_t)n;
			continue;
		}
		outbox_unblock(&out);
		if (!is_last) {
			gather_add(&g, STR("last"));
			assert_int_equal(outbox_send(&out, fds[0], &g), 0);
			assert_int_equal(g.count, 0);
			assert_true(out.is_blocked); /* so that the loop is waited for */
		} else {
			assert_int_equal(outbox_flush(&out, fds[0]), 0);
		}
		is_last = true;
	}
	assert_memory_equal(got + sizeof(block), "last", 4);
	assert_true(outbox_is_empty(&out));
	outbox_done(&out);
	close(fds[0]);
	close(fds[1]);
}

static void test_a_dead_peer_is_an_error(void **state)
{
	static struct gather g;
	struct outbox out = {0};
	int fds[2];

	(void)state;
	pair(fds);
	close(fds[1]);
	gather_add(&g, STR("hello"));
	assert_int_equal(outbox_send(&out, fds[0], &g), -EPIPE);
	assert_int_equal(g.count, 0);
	outbox_done(&out);
	close(fds[0]);
}

static void test_what_is_left_over_outlives_the_scratch_buffer(void **state)
{
	char scratch[16];
	struct inbox in = {.can_read = true};
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(write(fds[1], "0123456789", 10), 10);
	assert_int_equal(inbox_read(&in, fds[0], scratch, sizeof(scratch)), 10);
	assert_false(in.can_read);
	inbox_take(&in, 4);
	inbox_keep(&in);
	memset(scratch, 'x', sizeof(scratch));
	assert_true(str_eq(in.unread, STR("456789")));
	inbox_take(&in, 2);
	in.can_read = true;
	assert_int_equal(write(fds[1], "AB", 2), 2);
	assert_int_equal(inbox_read(&in, fds[0], scratch, sizeof(scratch)), 2);
	assert_true(str_eq(in.unread, STR("6789AB")));
	inbox_take(&in, 6);
	inbox_keep(&in);
	assert_null(in.kept.p);
	inbox_done(&in);
	close(fds[0]);
	close(fds[1]);
}

/* Used up in the same turn, what was kept must not come back in place of what was read next. */
static void test_what_was_kept_and_used_up_is_forgotten(void **state)
{
	char scratch[16];
	struct inbox in = {.can_read = true};
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(write(fds[1], "old and long", 12), 12);
	assert_int_equal(inbox_read(&in, fds[0], scratch, sizeof(scratch)), 12);
	inbox_keep(&in);
	inbox_take(&in, 12);
	assert_int_equal(write(fds[1], "new", 3), 3);
	assert_int_equal(inbox_read(&in, fds[0], scratch, sizeof(scratch)), 3);
	inbox_keep(&in);
	memset(scratch, 'x', sizeof(scratch));
	assert_true(str_eq(in.unread, STR("new")));
	inbox_done(&in);
	close(fds[0]);
	close(fds[1]);
}

static void test_the_end_is_read_when_the_loop_has_announced_it(void **state)
{
	char scratch[16];
	struct inbox in = {.can_read = true, .saw_eof = true};
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(write(fds[1], "ab", 2), 2);
	close(fds[1]);
	assert_int_equal(inbox_read(&in, fds[0], scratch, sizeof(scratch)), 2);
	assert_true(in.can_read);
	inbox_take(&in, 2);
	assert_int_equal(inbox_read(&in, fds[0], scratch, sizeof(scratch)), 0);
	inbox_done(&in);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_socket_keeps_the_rest_in_order),
		cmocka_unit_test(test_what_waits_goes_before_what_is_sent_after_an_unblock),
		cmocka_unit_test(test_a_dead_peer_is_an_error),
		cmocka_unit_test(test_what_is_left_over_outlives_the_scratch_buffer),
		cmocka_unit_test(test_what_was_kept_and_used_up_is_forgotten),
		cmocka_unit_test(test_the_end_is_read_when_the_loop_has_announced_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
