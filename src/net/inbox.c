/* inbox.c - one read at a time, after what is still unread. */
/* SPDX-License-Identifier: MIT */
#include "net/inbox.h"

#include <sys/socket.h>

#include "base/budget.h"

static void keep(struct inbox *in, str bytes)
{
	size_t before = in->kept.cap;

	assert(!in->kept.cap || bytes.p < in->kept.p || bytes.p >= in->kept.p + in->kept.cap);
	buf_add(&in->kept, bytes);
	budget_resize(before, in->kept.cap);
	in->unread = buf_str(&in->kept);
}

static void give_back(struct inbox *in)
{
	budget_give(in->kept.cap);
	buf_done(&in->kept);
}

/* New bytes go after those that are kept, whose buffer grows with them: a peer that sends little
 * does not hold much memory. */
ssize_t inbox_read(struct inbox *in, int fd, char *scratch, size_t size)
{
	bool is_kept = in->unread.n != 0;
	ssize_t n;

	if (is_kept)
		inbox_keep(in);
	else
		buf_clear(&in->kept); /* it was used up, and unread does not point into it now */
	n = recv(fd, scratch, size, 0);
	if (n < 0) {
		if (errno == EAGAIN)
			in->can_read = false;
		return -errno;
	}
	if ((size_t)n < size && !in->saw_eof)
		in->can_read = false;
	if (is_kept)
		keep(in, (str){scratch, (size_t)n});
	else if (n)
		in->unread = (str){scratch, (size_t)n};
	else
		assert(size); /* no room is no end */
	return n;
}

void inbox_keep(struct inbox *in)
{
	if (!in->unread.n) {
		if (in->kept.p)
			give_back(in);
	} else if (buf_len(&in->kept)) {
		/* What is unread is its end. */
		assert(in->unread.n <= buf_len(&in->kept));
		assert(in->unread.p + in->unread.n == in->kept.p + in->kept.end);
		buf_consume(&in->kept, buf_len(&in->kept) - in->unread.n);
	} else {
		keep(in, in->unread);
	}
}

void inbox_done(struct inbox *in)
{
	give_back(in);
	*in = (struct inbox){0};
}
