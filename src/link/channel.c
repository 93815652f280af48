/* channel.c - messages between supervisor and proxy over a SEQPACKET socket pair. */
/* SPDX-License-Identifier: MIT */
#include "link/channel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"
#include "link/packet.h"

struct queued {
	struct list link;
	int fd;
	struct channel_message message;
};

struct channel {
	struct watch watch;
	struct list queue; /* what the socket had no room for */
	channel_fn *on_message;
	channel_closed_fn *on_closed;
	void *arg;
};

#define HEAD_SIZE offsetof(struct channel_message, text)

static void drop_queue(struct channel *c)
{
	while (!list_is_empty(&c->queue)) {
		struct queued *q = list_first(&c->queue, struct queued, link);

		list_pop(&c->queue);
		close_fd(&q->fd);
		free(q);
	}
}

static void close_broken(struct channel *c)
{
	int fd = c->watch.fd;

	if (fd < 0)
		return;
	watch_close(&c->watch);
	close(fd);
	drop_queue(c);
	c->on_closed(c->arg);
}

/* 0, -EAGAIN, or another error that means that the link is gone. */
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
			close_broken(c);
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

	if (n == -EAGAIN)
		return false;
	if (n < (ssize_t)HEAD_SIZE || m.text_size != (size_t)n - HEAD_SIZE) {
		close_fd(&fd);
		close_broken(c);
		return false;
	}
	c->on_message(c->arg, &m, fd);
	return c->watch.fd >= 0;
}

static void on_event(struct watch *w, unsigned events)
{
	struct channel *c = container_of(w, struct channel, watch);

	if (events & LOOP_READ)
		while (receive_one(c))
			;
	if ((events & LOOP_WRITE) && c->watch.fd >= 0)
		flush_queue(c);
}

struct channel *channel_new(
	struct loop *l, int fd, channel_fn *on_message, channel_closed_fn *on_closed, void *arg)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	c->on_message = on_message;
	c->on_closed = on_closed;
	c->arg = arg;
	list_init(&c->queue);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || watch_open(&c->watch, l, fd, on_event) < 0) {
		close(fd);
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
	loop_defer_free(c->watch.loop, c);
}

/* The descriptor goes along as it is: to make another one might fail. */
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
	/* Another error: the end of the other side is about to be read and told by on_closed. */
	close_fd(&take_fd);
}

int channel_try_send(int fd, enum channel_type type, uint32_t slot)
{
	struct channel_message m;

	m.type = type;
	m.slot = slot;
	m.value = 0;
	m.text_size = 0;
	return send(fd, &m, HEAD_SIZE, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void send_message(struct channel *c, enum channel_type type, uint32_t slot, uint64_t value,
	str text, int take_fd)
{
	struct channel_message m;

	m.type = type;
	m.slot = slot;
	m.value = value;
	m.text_size = (uint32_t)MIN(text.n, (size_t)CHANNEL_TEXT_MAX);
	if (m.text_size)
		memcpy(m.text, text.p, m.text_size);
	send_or_queue(c, &m, take_fd);
}

void channel_send(
	struct channel *c, enum channel_type type, uint32_t slot, uint64_t value, str text)
{
	send_message(c, type, slot, value, text, -1);
}

void channel_send_fd(
	struct channel *c, enum channel_type type, uint64_t value, str text, int take_fd)
{
	send_message(c, type, 0, value, text, take_fd);
}
