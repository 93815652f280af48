/* splice.h - bytes moved from socket to socket inside the kernel, through a pipe (splice(2)). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

/* Zero is closed. */
struct splice_pipe {
	int read_fd, write_fd;
	bool is_open;
	size_t held; /* bytes in the pipe */
};

int splice_open(struct splice_pipe *p) MUST_USE;
void splice_close(struct splice_pipe *p);
/* Socket to pipe, at most `max` bytes: >0, 0 at the peer's end, -EAGAIN, or -errno. */
ssize_t splice_in(struct splice_pipe *p, int from, uint64_t max) MUST_USE;
/* Pipe to socket, all that is held if it takes it: >=0, -EAGAIN, or -errno. */
ssize_t splice_out(struct splice_pipe *p, int to) MUST_USE;
