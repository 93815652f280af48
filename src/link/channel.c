/* channel.c - queues what the socket has no room for, and checks what comes against channel.def. */
/* SPDX-License-Identifier: MIT */
#include "link/channel.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/magic.h"
#include "link/packet.h"
#include "link/scoreboard.h"

struct queued {
	struct list link;
	int fd;
	struct channel_message message;
};

enum { CHANNEL_MAGIC = MAGIC('c', 'h', 'a', 'n') };

struct channel {
	uint32_t magic;
	struct watch watch;
	enum channel_side side; /* ours */
	struct list queue;	/* what the socket had no room for */
	channel_fn *on_message;
	channel_closed_fn *on_closed;
	void *arg;
};

#define HEAD_SIZE  offsetof(struct channel_message, text)
#define FAULT_SIZE 80

/* --- what may come --- */

/* The columns of channel.def: the most that each allows. */
#define SLOT_NONE	0
#define SLOT_TENANT	(SCOREBOARD_SLOTS - 1)
#define SLOT_COUNT	UINT32_MAX
#define SLOT_GENERATION UINT32_MAX
#define VALUE_NONE	0
#define VALUE_NUMBER	UINT64_MAX
#define VALUE_STATE	(TENANT_NSTATES - 1)
#define VALUE_STORE	STORE_SILENT
#define VALUE_MACHINE	(MACHINE_NSTATES - 1)
#define WORDS_NONE	0
#define WORDS_SOME	CHANNEL_TEXT_MAX
#define FILE_NONE	false
#define FILE_ONE	true

struct message_shape {
	const char *name;
	uint32_t max_slot;
	uint64_t max_value;
	uint32_t max_text;
	bool has_file;
};

#define SHAPE(text, slot, value, words, file)                                                      \
	{text, SLOT_##slot, VALUE_##value, WORDS_##words, FILE_##file},

static const struct message_shape to_supervisor[] = {
#define TO_SUPERVISOR(NAME, text, slot, value, words, file, doc)                                   \
	SHAPE(text, slot, value, words, file)
#include "link/channel.def"
};

static const struct message_shape to_proxy[] = {
#define TO_PROXY(NAME, text, slot, value, words, file, doc) SHAPE(text, slot, value, words, file)
#include "link/channel.def"
};

static const struct message_shape *shape_of(enum channel_side side, uint32_t type)
{
	switch (side) {
	case CHANNEL_SUPERVISOR:
		return type < NITEMS(to_supervisor) ? &to_supervisor[type] : NULL;
	case CHANNEL_PROXY:
		return type < NITEMS(to_proxy) ? &to_proxy[type] : NULL;
	}
	return NULL;
}

/* What does not fit, or NULL. */
static const char *misfit(const struct message_shape *s, const struct channel_message *m, int fd)
{
	if (m->slot > s->max_slot)
		return "slot";
	if (m->value > s->max_value)
		return "value";
	if (m->text_size > s->max_text)
		return "text";
	return s->has_file == (fd >= 0 || fd == -EMFILE) ? NULL : "descriptor";
}

/* False, with the reason, for a packet of n bytes that cannot be valid. */
static bool is_sound(const struct channel *c, const struct channel_message *m, ssize_t n, int fd,
	char *ret_fault)
{
	const struct message_shape *shape;
	const char *wrong;

	if (n < (ssize_t)HEAD_SIZE || m->text_size != (size_t)n - HEAD_SIZE) {
		snprintf(ret_fault, FAULT_SIZE, "a packet of the wrong form");
		return false;
	}
	shape = m->side == c->side ? shape_of(c->side, m->type) : NULL;
	if (!shape) {
		snprintf(ret_fault, FAULT_SIZE, "message %u, which is not for this side", m->type);
		return false;
	}
	wrong = misfit(shape, m, fd);
	if (wrong)
		snprintf(ret_fault, FAULT_SIZE, "\"%s\" with the wrong %s", shape->name, wrong);
	return !wrong;
}

/* --- sending and receiving --- */

static void drop_queue(struct channel *c)
{
	while (!list_is_empty(&c->queue)) {
		struct queued *q = list_first(&c->queue, struct queued, link);

		list_pop(&c->queue);
		close_fd(&q->fd);
		free(q);
	}
}

static void close_broken(struct channel *c, const char *fault)
{
	int fd = c->watch.fd;

	if (fd < 0)
		return;
	watch_close(&c->watch);
	close(fd);
	drop_queue(c);
	c->on_closed(c->arg, fault);
}

/* 0, -EAGAIN, or another error, which means that the link is gone. */
static int send_now(struct channel *c, const struct channel_message *m, int fd)
{
	struct iovec part = {(void *)(uintptr_t)m, HEAD_SIZE + m->text_size};

	return packet_send(c->watch.fd, &part, 1, fd);
}

static void flush_queue(struct channel *c)
{
	while (!list_is_empty(&c->queue)) {
		struct queued *q = list_first(&c->queue, struct queued, link);
		int r = send_now(c, &q->message, q->fd);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			close_broken(c, NULL);
			return;
		}
		list_pop(&c->queue);
		close_fd(&q->fd);
		free(q);
	}
}

/* False when there is nothing more to read now. */
static bool receive_one(struct channel *c)
{
	struct channel_message m;
	struct iovec part = {&m, sizeof(m)};
	int fd = -1;
	ssize_t n = packet_receive(c->watch.fd, &part, 1, &fd);
	char fault[FAULT_SIZE];

	if (n == -EAGAIN)
		return false;
	if (n < 0 && n != -EPROTO) {
		close_broken(c, NULL);
		return false;
	}
	if (!is_sound(c, &m, n, fd, fault)) {
		close_fd(&fd);
		close_broken(c, fault);
		return false;
	}
	c->on_message(c->arg, &m, fd);
	return c->watch.fd >= 0;
}

static void on_channel_event(struct watch *w, unsigned events)
{
	struct channel *c = container_of(w, struct channel, watch);

	MAGIC_CHECK(c, CHANNEL_MAGIC);
	if (events & LOOP_READ)
		while (receive_one(c))
			;
	if ((events & LOOP_WRITE) && c->watch.fd >= 0)
		flush_queue(c);
}

struct channel *channel_new(struct loop *l, int fd, enum channel_side side, channel_fn *on_message,
	channel_closed_fn *on_closed, void *arg)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	MAGIC_BEGIN(c, CHANNEL_MAGIC);
	c->side = side;
	c->on_message = on_message;
	c->on_closed = on_closed;
	c->arg = arg;
	list_init(&c->queue);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
		watch_open(&c->watch, l, fd, on_channel_event) < 0) {
		close(fd);
		MAGIC_END(c, CHANNEL_MAGIC);
		free(c);
		return NULL;
	}
	return c;
}

void channel_free(struct channel *c)
{
	int fd;

	if (!c)
		return;
	fd = c->watch.fd;
	watch_close(&c->watch);
	close_fd(&fd);
	drop_queue(c);
	MAGIC_END(c, CHANNEL_MAGIC);
	loop_defer_free(c->watch.loop, c);
}

/* The descriptor is sent as it is: making another one might fail. */
static void send_or_queue(struct channel *c, const struct channel_message *m, int take_fd)
{
	int r = -EAGAIN;

	if (c->watch.fd >= 0 && list_is_empty(&c->queue))
		r = send_now(c, m, take_fd);
	if (c->watch.fd >= 0 && r == -EAGAIN) {
		struct queued *q = xmalloc(sizeof(*q));

		q->fd = take_fd;
		memcpy(&q->message, m, HEAD_SIZE + m->text_size);
		list_init(&q->link);
		list_append(&c->queue, &q->link);
		return;
	}
	/* Another error: the end of the other side is about to be read, and on_closed will report
	 * it. */
	close_fd(&take_fd);
}

/* Everything but the text. */
static void message_init(struct channel_message *m, enum channel_side side, uint32_t type,
	uint32_t slot, uint64_t value)
{
	m->side = (uint16_t)side;
	m->type = (uint16_t)type;
	m->slot = slot;
	m->value = value;
	m->text_size = 0;
}

static void send_message(struct channel *c, const struct message_shape *shape,
	struct channel_message *m, str text, int take_fd)
{
	m->text_size = (uint32_t)MIN(text.n, (size_t)CHANNEL_TEXT_MAX);
	if (m->text_size)
		memcpy(m->text, text.p, m->text_size);
	assert(!misfit(shape, m, take_fd));
	send_or_queue(c, m, take_fd);
}

void channel_tell_proxy(
	struct channel *c, enum channel_to_proxy type, uint32_t slot, uint64_t value, str text)
{
	struct channel_message m;

	MAGIC_CHECK(c, CHANNEL_MAGIC);
	message_init(&m, CHANNEL_PROXY, type, slot, value);
	send_message(c, &to_proxy[type], &m, text, -1);
}

void channel_give_proxy(
	struct channel *c, enum channel_to_proxy type, uint64_t value, str text, int take_fd)
{
	struct channel_message m;

	MAGIC_CHECK(c, CHANNEL_MAGIC);
	message_init(&m, CHANNEL_PROXY, type, 0, value);
	send_message(c, &to_proxy[type], &m, text, take_fd);
}

void channel_tell_supervisor(
	struct channel *c, enum channel_to_supervisor type, uint32_t slot, uint64_t value, str text)
{
	struct channel_message m;

	MAGIC_CHECK(c, CHANNEL_MAGIC);
	message_init(&m, CHANNEL_SUPERVISOR, type, slot, value);
	send_message(c, &to_supervisor[type], &m, text, -1);
}

int channel_try_supervisor(int fd, enum channel_to_supervisor type, uint32_t slot)
{
	struct channel_message m;

	message_init(&m, CHANNEL_SUPERVISOR, type, slot, 0);
	assert(!misfit(&to_supervisor[type], &m, -1));
	return send(fd, &m, HEAD_SIZE, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}
