/* inbox.h - bytes that were received but not used yet.
 *
 * They are read into a scratch buffer that all connections of a thread share; only what is left
 * over when the connection has done what it can now is copied (inbox_keep).  So an idle connection
 * holds no buffer.  What is kept is counted (base/budget.h). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

/* Zero is empty. */
struct inbox {
	str unread;	 /* points into the scratch buffer or into kept */
	struct buf kept; /* empty, or what unread is the end of */
	bool can_read;	 /* the socket may have more: cleared by a read that found its end */
	bool saw_eof;	 /* the event loop said that the peer is done: the next reads will reach the
			    end */
};

/* Reads once.  >0: this many more bytes are in unread.  0: the peer's end.  -EAGAIN: nothing now.
 * Or -errno. */
ssize_t inbox_read(struct inbox *in, int fd, char *scratch, size_t size) MUST_USE;
/* The first n bytes of unread have been used. */
static inline void inbox_take(struct inbox *in, size_t n)
{
	assert(n <= in->unread.n);
	in->unread = (str){in->unread.p + n, in->unread.n - n};
}
/* Call before the scratch buffer is used for another connection. */
void inbox_keep(struct inbox *in);
void inbox_done(struct inbox *in);
