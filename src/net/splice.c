/* splice.c - into the pipe and out of it, with the flow's bytes counted. */
/* SPDX-License-Identifier: MIT */
#include "net/splice.h"

#include <fcntl.h>
#include <unistd.h>

#define PIPE_SIZE (256 * 1024)

int splice_open(struct splice_pipe *p)
{
	int fds[2];

	assert(!p->is_open);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller pipe works as well, only slower */
	*p = (struct splice_pipe){.read_fd = fds[0], .write_fd = fds[1], .is_open = true};
	return 0;
}

void splice_close(struct splice_pipe *p)
{
	assert(p->is_open || !p->held);
	if (!p->is_open)
		return;
	close(p->read_fd);
	close(p->write_fd);
	*p = (struct splice_pipe){0};
}

/* Socket to pipe, at most `max` bytes: >0, 0 at the peer's end, -EAGAIN, or -errno. */
static ssize_t splice_in(struct splice_pipe *p, int from, uint64_t max)
{
	size_t want = (size_t)MIN(max, (uint64_t)PIPE_SIZE);
	ssize_t n = splice(from, NULL, p->write_fd, NULL, want, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	assert(p->is_open && want); /* asked for nothing, the kernel would report the end */
	if (n < 0)
		return -errno;
	assert((size_t)n <= want);
	p->held += (size_t)n;
	return n;
}

/* Pipe to socket, all that is held if it takes it: >=0, -EAGAIN, or -errno. */
static ssize_t splice_out(struct splice_pipe *p, int to)
{
	ssize_t n;

	assert(p->is_open);
	if (!p->held)
		return 0;
	n = splice(p->read_fd, NULL, to, NULL, p->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0)
		return -errno;
	assert((size_t)n <= p->held);
	p->held -= (size_t)n;
	return n;
}

static enum spliced fill_pipe(struct splice_pipe *p, struct flow *f, struct inbox *in, int from)
{
	ssize_t n = in->can_read ? splice_in(p, from, flow_raw(f)) : -EAGAIN;

	if (n == -EAGAIN) {
		in->can_read = false;
		return SPLICE_WAITS;
	}
	if (n <= 0)
		return SPLICE_SOURCE_ENDED;
	flow_skip(f, (uint64_t)n);
	return SPLICED;
}

enum spliced splice_pass(struct splice_pipe *p, struct flow *f, struct inbox *in, int from,
	struct outbox *out, int to)
{
	enum spliced filled = p->held ? SPLICED : fill_pipe(p, f, in, from);

	assert(outbox_is_empty(out) && !in->unread.n); /* the order of the bytes */
	if (filled != SPLICED)
		return filled;
	while (p->held) {
		ssize_t n = splice_out(p, to);

		if (n == -EAGAIN) {
			out->is_blocked = true;
			return SPLICE_WAITS;
		}
		if (n <= 0)
			return SPLICE_SINK_FAILED;
	}
	return SPLICED;
}
