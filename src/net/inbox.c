/* inbox.c - bytes that were received and not used yet. */
/* SPDX-License-Identifier: MIT */
#include "net/inbox.h"

#include <sys/socket.h>

ssize_t inbox_read(struct inbox *in, int fd, char *scratch, size_t size)
{
	bool is_kept = in->unread.n != 0;
	char *to = scratch;
	ssize_t n;

	if (is_kept) {
		inbox_keep(in);
		to = buf_room(&in->kept, size);
	} else {
		buf_clear(&in->kept); /* it was used up, and is not what unread points into now */
	}
	n = recv(fd, to, size, 0);
	if (n < 0) {
		if (errno == EAGAIN)
			in->can_read = false;
		return -errno;
	}
	if ((size_t)n < size && !in->saw_eof)
		in->can_read = false;
	if (is_kept) {
		buf_added(&in->kept, (size_t)n);
		in->unread = buf_str(&in->kept);
	} else if (n) {
		in->unread = (str){scratch, (size_t)n};
	}
	return n;
}

void inbox_keep(struct inbox *in)
{
	if (!in->unread.n) {
		if (in->kept.p)
			buf_done(&in->kept);
	} else if (buf_len(&in->kept)) {
		buf_consume(&in->kept, buf_len(&in->kept) - in->unread.n);
	} else {
		buf_add(&in->kept, in->unread);
		in->unread = buf_str(&in->kept);
	}
}

void inbox_done(struct inbox *in)
{
	buf_done(&in->kept);
	*in = (struct inbox){0};
}
