/* test_link.c - the seam of the two processes: who stops and who asks never both win, and no
 * message is lost. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "link/channel.h"
#include "link/packet.h"
#include "link/scoreboard.h"

#define RACE_ROUNDS 20000
#define OWNER	    4711

static void *stop_again_and_again(void *arg)
{
	struct slot *slot = arg;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		if (!slot_try_drain(slot, 0))
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
	slot_give(slot, OWNER);
	atomic_store(&slot->state, TENANT_RUNNING);
	assert_int_equal(pthread_create(&stopper, NULL, stop_again_and_again, slot), 0);
	for (int i = 0; i < RACE_ROUNDS; i++) {
		uint32_t generation;

		if (!slot_enter(slot, OWNER))
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
	atomic_store(&b.slots[2].connections, 6);
	scoreboard_forget_proxy(&a, 4);
	assert_int_equal(atomic_load(&b.slots[3].in_flight), 0);
	assert_int_equal(atomic_load(&b.slots[2].connections), 0);
	b.fd = -1;
	munmap(b.slots, SCOREBOARD_SLOTS * sizeof(struct slot));
	scoreboard_done(&a);
}

static void test_a_slot_is_its_owner_s_alone(void **state)
{
	struct slot slot = {0};

	(void)state;
	slot_give(&slot, OWNER);
	atomic_store(&slot.state, TENANT_RUNNING);
	atomic_store(&slot.requests, 7);
	atomic_store(&slot.timeouts, 2);
	atomic_store(&slot.cache_entries, 3);
	atomic_store(&slot.generation, 9);
	assert_true(slot_enter(&slot, OWNER));
	assert_false(slot_enter(&slot, OWNER + 1));
	assert_int_equal(slot_state(&slot, OWNER + 1), TENANT_ABSENT);
	slot_disown(&slot);
	assert_false(slot_enter(&slot, OWNER));
	assert_int_equal(atomic_load(&slot.in_flight), 1); /* what is under way goes on */
	slot_own(&slot, OWNER);
	assert_int_equal(slot_state(&slot, OWNER), TENANT_RUNNING);
	slot_leave(&slot);
	slot_give(&slot, OWNER + 1);
	assert_false(slot_enter(&slot, OWNER));
	assert_int_equal(slot_state(&slot, OWNER + 1), TENANT_ABSENT);
	assert_int_equal(atomic_load(&slot.requests) + atomic_load(&slot.timeouts) +
				 atomic_load(&slot.cache_entries),
		0);
	assert_int_equal(atomic_load(&slot.generation), 9);
}

static size_t count_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* `n` copies of a descriptor in one packet. */
static void send_several(int fd, int file, size_t n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 253)] = {0};
	char byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr msg = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &file, sizeof(int));
	assert_int_equal(sendmsg(fd, &msg, 0), 1);
}

static void test_several_descriptors_in_a_packet_are_closed_and_refused(void **state)
{
	static const size_t numbers[] = {2, 3, 4, 5, 17, 253};
	int fds[2], mem = memfd_create("test", MFD_CLOEXEC), file = -1;
	char byte;
	struct iovec part = {&byte, 1};
	size_t before;

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	before = count_descriptors();
	for (size_t i = 0; i < NITEMS(numbers); i++) {
		send_several(fds[0], mem, numbers[i]);
		assert_int_equal(packet_receive(fds[1], &part, 1, &file), -EPROTO);
		send_several(fds[0], mem, numbers[i]);
		assert_int_equal(packet_receive(fds[1], &part, 1, NULL), -EPROTO);
		assert_int_equal(count_descriptors(), before);
	}
	send_several(fds[0], mem, 1);
	assert_int_equal(packet_receive(fds[1], &part, 1, NULL), -EPROTO);
	assert_int_equal(count_descriptors(), before);
	send_several(fds[0], mem, 1);
	assert_int_equal(packet_receive(fds[1], &part, 1, &file), 1);
	assert_true(file >= 0);
	close(file);
	close(fds[0]);
	close(fds[1]);
	close(mem);
}

static void limit_descriptors(rlim_t n, struct rlimit *ret_before)
{
	struct rlimit now;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_before), 0);
	now = (struct rlimit){n, ret_before->rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void test_a_descriptor_for_which_there_is_no_place_is_told(void **state)
{
	int fds[2], mem = memfd_create("test", MFD_CLOEXEC), file = -1;
	struct rlimit before;
	char byte;
	struct iovec part = {&byte, 1};

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	send_several(fds[0], mem, 1);
	limit_descriptors(1, &before);
	assert_int_equal(packet_receive(fds[1], &part, 1, &file), 1);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(file, -EMFILE);
	close(fds[0]);
	close(fds[1]);
	close(mem);
}

struct receiver {
	struct loop *loop;
	unsigned messages, wanted, closed;
	int fd;
	char text[CHANNEL_TEXT_MAX + 1];
	char fault[128];
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

static void on_closed(void *arg, const char *fault)
{
	struct receiver *r = arg;

	r->closed++;
	snprintf(r->fault, sizeof(r->fault), "%s", fault ? fault : "");
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
	a = channel_new(loop, fds[0], CHANNEL_SUPERVISOR, on_message, on_closed, &r);
	b = channel_new(loop, fds[1], CHANNEL_PROXY, on_message, on_closed, &r);
	for (uint32_t i = 0; i < 5000; i++)
		channel_tell_proxy(a, CHANNEL_STATE, i, TENANT_FAILED, STR("it said no"));
	loop_run(loop);
	assert_int_equal(r.messages, 5000);
	assert_string_equal(r.text, "it said no");
	channel_free(a);
	channel_free(b);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

static void count_messages(void *arg, const struct channel_message *m, int fd)
{
	struct receiver *r = arg;

	assert_true(m->type != CHANNEL_CONFIG || fd >= 0);
	close_fd(&fd);
	if (++r->messages == r->wanted)
		loop_stop(r->loop);
}

/* What waits for room takes no descriptor that might not be had. */
static void test_a_descriptor_that_waits_for_room_arrives_though_no_other_can_be_made(void **state)
{
	struct loop *loop = loop_new();
	struct receiver r = {.loop = loop, .wanted = 3001};
	struct channel *a, *b;
	struct rlimit before;
	int fds[2];

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	a = channel_new(loop, fds[0], CHANNEL_SUPERVISOR, count_messages, on_closed, &r);
	b = channel_new(loop, fds[1], CHANNEL_PROXY, count_messages, on_closed, &r);
	for (int i = 0; i < 3000; i++)
		channel_tell_proxy(a, CHANNEL_STATE, 0, TENANT_FAILED, STR("it said no"));
	{
		int mem = memfd_create("test", MFD_CLOEXEC);

		limit_descriptors(1, &before);
		channel_give_proxy(a, CHANNEL_CONFIG, 1, STR_EMPTY, mem);
		setrlimit(RLIMIT_NOFILE, &before);
	}
	loop_run(loop);
	assert_int_equal(r.messages, 3001);
	channel_free(a);
	channel_free(b);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

static void test_a_loop_for_which_there_is_no_descriptor_is_none(void **state)
{
	struct rlimit before;
	size_t open = count_descriptors();

	(void)state;
	limit_descriptors(1, &before);
	assert_null(loop_new());
	assert_int_equal(errno, EMFILE);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(count_descriptors(), open);
}

static void *wake_slot_0(void *arg)
{
	assert_int_equal(channel_try_supervisor(*(int *)arg, CHANNEL_WAKE, 0), 0);
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
	c = channel_new(loop, fds[0], CHANNEL_SUPERVISOR, on_message, on_closed, &r);
	assert_int_equal(pthread_create(&thread, NULL, wake_slot_0, &fds[1]), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_int_equal(r.messages, 1);
	while ((error = channel_try_supervisor(fds[1], CHANNEL_WAKE, 0)) == 0 && sent < 1000000)
		sent++;
	assert_int_equal(error, -EAGAIN);
	channel_free(c);
	error = channel_try_supervisor(fds[1], CHANNEL_WAKE, 0);
	assert_true(error < 0 && error != -EAGAIN);
	close(fds[1]);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

static void test_a_descriptor_travels(void **state)
{
	struct loop *loop = loop_new();
	struct receiver r = {.loop = loop, .wanted = 1, .fd = -1};
	struct channel *c, *sender;
	int fds[2], mem = memfd_create("test", MFD_CLOEXEC);
	char got[3];

	(void)state;
	assert_int_equal(write(mem, "abc", 3), 3);
	assert_int_equal(packet_pair(fds), 0);
	c = channel_new(loop, fds[0], CHANNEL_PROXY, on_message, on_closed, &r);
	sender = channel_new(loop, fds[1], CHANNEL_SUPERVISOR, on_message, on_closed, &r);
	channel_give_proxy(sender, CHANNEL_CONFIG, 0, STR_EMPTY, mem);
	loop_run(loop);
	assert_true(r.fd >= 0);
	assert_int_equal(pread(r.fd, got, 3, 0), 3);
	assert_memory_equal(got, "abc", 3);
	close(r.fd);
	channel_free(c);
	channel_free(sender);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

/* Sends one packet to a new end of `side`, which ends it; and gives back what was wrong. */
static void send_wrong(
	enum channel_side side, const void *packet, size_t size, int file, struct receiver *ret)
{
	struct loop *loop = loop_new();
	struct channel *c;
	struct iovec part = {(void *)(uintptr_t)packet, size};
	int fds[2];

	*ret = (struct receiver){.loop = loop, .wanted = 1, .fd = -1};
	assert_int_equal(packet_pair(fds), 0);
	c = channel_new(loop, fds[0], side, on_message, on_closed, ret);
	assert_int_equal(packet_send(fds[1], &part, 1, file), 0);
	loop_run(loop);
	channel_free(c);
	close(fds[1]);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

/* What a proxy gone wrong may send, and what its other side may not. */
static void test_what_a_message_may_not_bring_ends_the_link_once(void **state)
{
	static const struct {
		enum channel_side side;
		struct channel_message message;
		bool has_file;
		const char *fault;
	} cases[] = {
		{CHANNEL_SUPERVISOR, {.type = CHANNEL_WAKE}, false, "which is not for this side"},
		{CHANNEL_SUPERVISOR, {.side = CHANNEL_PROXY, .type = CHANNEL_ASK}, false,
			"which is not for this side"},
		{CHANNEL_SUPERVISOR, {.side = 77}, false, "which is not for this side"},
		{CHANNEL_SUPERVISOR, {.side = CHANNEL_SUPERVISOR, .type = CHANNEL_DRAINED + 1},
			false, "which is not for this side"},
		{CHANNEL_SUPERVISOR, {.side = CHANNEL_SUPERVISOR, .type = UINT16_MAX}, false,
			"message 65535,"},
		{CHANNEL_SUPERVISOR,
			{.side = CHANNEL_SUPERVISOR,
				.type = CHANNEL_WAKE,
				.slot = SCOREBOARD_SLOTS},
			false, "\"wake\" with the wrong slot"},
		{CHANNEL_SUPERVISOR, {.side = CHANNEL_SUPERVISOR, .type = CHANNEL_WAKE, .value = 1},
			false, "\"wake\" with the wrong value"},
		{CHANNEL_SUPERVISOR,
			{.side = CHANNEL_SUPERVISOR, .type = CHANNEL_BUSY, .text_size = 4}, false,
			"\"busy\" with the wrong text"},
		{CHANNEL_SUPERVISOR, {.side = CHANNEL_SUPERVISOR, .type = CHANNEL_LISTENING}, true,
			"\"listening\" with the wrong descriptor"},
		{CHANNEL_PROXY, {.side = CHANNEL_PROXY, .type = CHANNEL_DRAIN + 1}, false,
			"which is not for this side"},
		{CHANNEL_PROXY, {.side = CHANNEL_PROXY, .type = CHANNEL_CONFIG}, false,
			"\"config\" with the wrong descriptor"},
		{CHANNEL_PROXY,
			{.side = CHANNEL_PROXY, .type = CHANNEL_STATE, .value = TENANT_NSTATES},
			false, "\"state\" with the wrong value"},
		{CHANNEL_PROXY,
			{.side = CHANNEL_PROXY, .type = CHANNEL_STORE, .value = STORE_SILENT + 1},
			false, "\"store\" with the wrong value"},
		{CHANNEL_PROXY,
			{.side = CHANNEL_PROXY, .type = CHANNEL_MACHINE, .value = MACHINE_NSTATES},
			false, "\"machine\" with the wrong value"},
	};
	int mem = memfd_create("test", MFD_CLOEXEC);
	struct receiver r;

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		const struct channel_message *m = &cases[i].message;
		size_t before = count_descriptors();

		send_wrong(cases[i].side, m, offsetof(struct channel_message, text) + m->text_size,
			cases[i].has_file ? mem : -1, &r);
		assert_int_equal(r.closed, 1);
		assert_int_equal(r.messages, 0);
		assert_non_null(strstr(r.fault, cases[i].fault));
		assert_int_equal(count_descriptors(), before);
	}
	close(mem);
}

static void test_a_packet_of_the_wrong_form_ends_the_link_once(void **state)
{
	static const struct channel_message m = {
		.side = CHANNEL_PROXY, .type = CHANNEL_STATE, .text_size = 5};
	static const char large[sizeof(m) + 1];
	struct receiver r;

	(void)state;
	for (size_t n = 1; n <= offsetof(struct channel_message, text) + 4; n++) {
		send_wrong(CHANNEL_PROXY, &m, n, -1, &r);
		assert_int_equal(r.closed, 1);
		assert_string_equal(r.fault, "a packet of the wrong form");
	}
	send_wrong(CHANNEL_PROXY, large, sizeof(large), -1, &r);
	assert_int_equal(r.closed, 1);
	assert_string_equal(r.fault, "a packet of the wrong form");
}

static void test_an_end_that_is_closed_is_no_fault(void **state)
{
	struct loop *loop = loop_new();
	struct receiver r = {.loop = loop, .fd = -1, .fault = "?"};
	struct channel *c;
	int fds[2];

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	c = channel_new(loop, fds[0], CHANNEL_PROXY, on_message, on_closed, &r);
	close(fds[1]);
	loop_run(loop);
	assert_int_equal(r.closed, 1);
	assert_string_equal(r.fault, "");
	channel_free(c);
	loop_post(loop, (loop_fn *)loop_stop, loop);
	loop_run(loop);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_that_entered_keeps_its_tenant),
		cmocka_unit_test(test_the_board_is_the_same_memory_for_both),
		cmocka_unit_test(test_a_slot_is_its_owner_s_alone),
		cmocka_unit_test(test_several_descriptors_in_a_packet_are_closed_and_refused),
		cmocka_unit_test(test_a_descriptor_for_which_there_is_no_place_is_told),
		cmocka_unit_test(
			test_a_descriptor_that_waits_for_room_arrives_though_no_other_can_be_made),
		cmocka_unit_test(test_a_loop_for_which_there_is_no_descriptor_is_none),
		cmocka_unit_test(test_messages_arrive_in_order_when_the_socket_is_full),
		cmocka_unit_test(test_another_thread_sends_unless_the_socket_is_full),
		cmocka_unit_test(test_a_descriptor_travels),
		cmocka_unit_test(test_what_a_message_may_not_bring_ends_the_link_once),
		cmocka_unit_test(test_a_packet_of_the_wrong_form_ends_the_link_once),
		cmocka_unit_test(test_an_end_that_is_closed_is_no_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
