/* outbox.c - one gathered write, and a copy of what the socket did not take. */
/* SPDX-License-Identifier: MIT */
#include "net/outbox.h"

#include <sys/socket.h>

#include "base/budget.h"

#define COPY_BELOW 2048

static void keep_from(struct outbox *o, const struct gather *g, size_t sent)
{
	size_t before = o->waiting.cap;

	assert(sent < g->bytes);
	for (int i = 0; i < g->count; i++) {
		str piece = {g->pieces[i].iov_base, g->pieces[i].iov_len};
		size_t skip = MIN(sent, piece.n);

		sent -= skip;
		buf_add(&o->waiting, str_slice(piece, skip, piece.n));
	}
	assert(!sent && o->is_blocked);
	budget_resize(before, o->waiting.cap);
}

static void give_back(struct outbox *o)
{
	budget_give(o->waiting.cap);
	buf_done(&o->waiting);
}

/* A few small pieces are copied together: that costs less than the kernel's walk through a list. */
static ssize_t write_pieces(int fd, struct gather *g)
{
	struct msghdr msg = {.msg_iov = g->pieces, .msg_iovlen = (size_t)g->count};
	/* Only what was written is sent: clearing it would cost more than all the rest here. */
	__attribute__((uninitialized)) char together[COPY_BELOW];
	char *end = together;
	int flags = MSG_NOSIGNAL | (g->is_followed ? MSG_MORE : 0);

	if (g->count == 1)
		return send(fd, g->pieces[0].iov_base, g->pieces[0].iov_len, flags);
	if (g->bytes > sizeof(together))
		return sendmsg(fd, &msg, flags);
	for (int i = 0; i < g->count; i++)
		end = mempcpy(end, g->pieces[i].iov_base, g->pieces[i].iov_len);
	assert(end == together + g->bytes);
	return send(fd, together, g->bytes, flags);
}

int outbox_send(struct outbox *o, int fd, struct gather *g)
{
	/* What waits goes first.  If it was unblocked a moment ago, the event loop has said so, and
	 * says it again only after the socket was full. */
	int r = outbox_flush(o, fd);
	ssize_t n = 0;

	if (!g->bytes)
		return r;
	if (r == 0 && outbox_is_empty(o) && !o->is_blocked) {
		n = write_pieces(fd, g);
		if (n < 0 && errno != EAGAIN)
			r = -errno;
		n = MAX(n, 0);
		o->is_blocked = (size_t)n < g->bytes;
	}
	if (r == 0 && (size_t)n < g->bytes)
		keep_from(o, g, (size_t)n);
	gather_forget(g);
	return r;
}

int outbox_flush(struct outbox *o, int fd)
{
	while (!outbox_is_empty(o) && !o->is_blocked) {
		str waiting = buf_str(&o->waiting);
		ssize_t n = send(fd, waiting.p, waiting.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return -errno;
		n = MAX(n, 0);
		assert((size_t)n <= waiting.n);
		o->is_blocked = (size_t)n < waiting.n;
		buf_consume(&o->waiting, (size_t)n);
	}
	if (outbox_is_empty(o) && o->waiting.p)
		give_back(o);
	return 0;
}

void outbox_done(struct outbox *o)
{
	give_back(o);
	*o = (struct outbox){0};
}
