/* channel.c - messages between supervisor and proxy over a SEQPACKET socket pair. */
/* SPDX-License-Identifier: MIT */
#include "link/channel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"

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

int channel_pair(int ret_fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
		return -errno;
	return 0;
}

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
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = HEAD_SIZE + m->text_size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return sendmsg(c->watch.fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
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

static int fd_of(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fd;

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
		cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

/* False when there is nothing more to read now. */
static bool receive_one(struct channel *c)
{
	struct channel_message m;
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(c->watch.fd, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < (ssize_t)HEAD_SIZE || m.text_size != (size_t)n - HEAD_SIZE ||
		(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_broken(c);
		return false;
	}
	c->on_message(c->arg, &m, fd_of(&msg));
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

static void send_or_queue(struct channel *c, const struct channel_message *m, int fd)
{
	int r = -EAGAIN;

	if (c->watch.fd < 0)
		return;
	if (list_is_empty(&c->queue))
		r = send_now(c, m, fd);
	if (r == -EAGAIN) {
		struct queued *q = xmalloc(sizeof(*q));

		q->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
		memcpy(&q->message, m, HEAD_SIZE + m->text_size);
		list_init(&q->link);
		list_append(&c->queue, &q->link);
	}
	/* Another error: the end of the other side is about to be read and told by on_closed. */
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

static void send_message(
	struct channel *c, enum channel_type type, uint32_t slot, uint64_t value, str text, int fd)
{
	struct channel_message m;

	m.type = type;
	m.slot = slot;
	m.value = value;
	m.text_size = (uint32_t)MIN(text.n, (size_t)CHANNEL_TEXT_MAX);
	if (m.text_size)
		memcpy(m.text, text.p, m.text_size);
	send_or_queue(c, &m, fd);
}

void channel_send(
	struct channel *c, enum channel_type type, uint32_t slot, uint64_t value, str text)
{
	send_message(c, type, slot, value, text, -1);
}

void channel_send_fd(struct channel *c, enum channel_type type, uint64_t value, str text, int fd)
{
	send_message(c, type, 0, value, text, fd);
}
