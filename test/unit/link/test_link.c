/* test_link.c - the seam of the two processes: who stops and who asks never both win, and no
 * message is lost. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "link/channel.h"
#include "link/packet.h"
#include "link/scoreboard.h"

#define RACE_ROUNDS 20000

static void *stop_again_and_again(void *arg)
{
	struct slot *slot = arg;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		if (!slot_try_drain(slot))
			continue;
		/* The stop won: as long as it lasts nobody may be inside (those who try back off).
		 */
		atomic_store(&slot->state, TENANT_STOPPED);
		atomic_fetch_add(&slot->generation, 1);
		atomic_store(&slot->state, TENANT_RUNNING);
	}
	return NULL;
}

static void test_a_request_that_entered_keeps_its_tenant(void **state)
{
	struct scoreboard board;
	struct slot *slot;
	pthread_t stopper;

	(void)state;
	assert_int_equal(scoreboard_new(&board), 0);
	slot = &board.slots[7];
	atomic_store(&slot->state, TENANT_RUNNING);
	assert_int_equal(pthread_create(&stopper, NULL, stop_again_and_again, slot), 0);
	for (int i = 0; i < RACE_ROUNDS; i++) {
		uint32_t generation;

		if (!slot_enter(slot))
			continue;
		generation = atomic_load(&slot->generation);
		for (int spin = 0; spin < 50; spin++)
			assert_int_equal(atomic_load(&slot->generation), generation);
		slot_leave(slot);
	}
	pthread_join(stopper, NULL);
	assert_int_equal(atomic_load(&slot->in_flight), 0);
	scoreboard_done(&board);
}

static void test_the_board_is_the_same_memory_for_both(void **state)
{
	struct scoreboard a, b;

	(void)state;
	assert_int_equal(scoreboard_new(&a), 0);
	assert_int_equal(scoreboard_map(a.fd, &b), 0);
	atomic_store(&a.slots[SCOREBOARD_SLOTS - 1].port, 4711);
	assert_int_equal(atomic_load(&b.slots[SCOREBOARD_SLOTS - 1].port), 4711);
	atomic_store(&b.slots[3].in_flight, 5);
	scoreboard_forget_proxy(&a, 4);
	assert_int_equal(atomic_load(&b.slots[3].in_flight), 0);
	b.fd = -1;
	munmap(b.slots, SCOREBOARD_SLOTS * sizeof(struct slot));
	scoreboard_done(&a);
}

struct receiver {
	struct loop *loop;
	unsigned messages, wanted, closed;
	int fd;
	char text[CHANNEL_TEXT_MAX + 1];
};

static void on_message(void *arg, const struct channel_message *m, int fd)
{
	struct receiver *r = arg;

	assert_int_equal(m->slot, r->messages);
	memcpy(r->text, m->text, m->text_size);
	r->text[m->text_size] = 0;
	if (fd >= 0)
		r->fd = fd;
	if (++r->messages == r->wanted)
		loop_stop(r->loop);
}

static void on_closed(void *arg)
{
	struct receiver *r = arg;

	r->closed++;
	loop_stop(r->loop);
}

static void test_messages_arrive_in_order_when_the_socket_is_full(void **state)
{
	struct loop *loop = loop_new();
	struct receiver r = {.loop = loop, .wanted = 5000, .fd = -1};
	struct channel *a, *b;
	int fds[2];

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	a = channel_new(loop, fds[0], on_message, on_closed, &r);
	b = channel_new(loop, fds[1], on_message, on_closed, &r);
	for (uint32_t i = 0; i < 5000; i++)
		channel_send(a, CHANNEL_STATE, i, TENANT_FAILED, STR("it said no"));
	loop_run(loop);
	assert_int_equal(r.messages, 5000);
	assert_string_equal(r.text, "it said no");
	channel_free(a);
	channel_free(b);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

static void *wake_slot_0(void *arg)
{
	assert_int_equal(channel_try_send(*(int *)arg, CHANNEL_WAKE, 0), 0);
	return NULL;
}

static void test_another_thread_sends_unless_the_socket_is_full(void **state)
{
	struct loop *loop = loop_new();
	struct receiver r = {.loop = loop, .wanted = 1, .fd = -1};
	struct channel *c;
	pthread_t thread;
	int fds[2], sent = 0, error;

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	c = channel_new(loop, fds[0], on_message, on_closed, &r);
	assert_int_equal(pthread_create(&thread, NULL, wake_slot_0, &fds[1]), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_int_equal(r.messages, 1);
	while ((error = channel_try_send(fds[1], CHANNEL_WAKE, 0)) == 0 && sent < 1000000)
		sent++;
	assert_int_equal(error, -EAGAIN);
	channel_free(c);
	error = channel_try_send(fds[1], CHANNEL_WAKE, 0);
	assert_true(error < 0 && error != -EAGAIN);
	close(fds[1]);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

static void test_a_descriptor_travels_and_a_broken_packet_ends_the_link_once(void **state)
{
	struct loop *loop = loop_new();
	struct receiver r = {.loop = loop, .wanted = 1, .fd = -1};
	struct channel *c, *sender;
	int fds[2], mem = memfd_create("test", MFD_CLOEXEC);
	char got[3];

	(void)state;
	assert_int_equal(write(mem, "abc", 3), 3);
	assert_int_equal(packet_pair(fds), 0);
	c = channel_new(loop, fds[0], on_message, on_closed, &r);
	sender = channel_new(loop, dup(fds[1]), on_message, on_closed, &r);
	channel_send_fd(sender, CHANNEL_CONFIG, 0, STR_EMPTY, mem);
	close(mem);
	loop_run(loop);
	assert_true(r.fd >= 0);
	assert_int_equal(pread(r.fd, got, 3, 0), 3);
	assert_memory_equal(got, "abc", 3);
	close(r.fd);
	assert_int_equal(send(fds[1], "short", 5, 0), 5);
	loop_run(loop);
	assert_int_equal(r.closed, 1);
	channel_free(c);
	channel_free(sender);
	close(fds[1]);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_that_entered_keeps_its_tenant),
		cmocka_unit_test(test_the_board_is_the_same_memory_for_both),
		cmocka_unit_test(test_messages_arrive_in_order_when_the_socket_is_full),
		cmocka_unit_test(test_another_thread_sends_unless_the_socket_is_full),
		cmocka_unit_test(test_a_descriptor_travels_and_a_broken_packet_ends_the_link_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
