/* packet.h - one packet through a SEQPACKET socket pair, with at most one descriptor: the base of
 * channel.c and opening.c. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/uio.h>

#include "base/base.h"

/* A connected pair; both ends CLOEXEC and non-blocking.  0 or -errno. */
int packet_pair(int ret_fds[2]) MUST_USE;
/* `file` is -1, or is sent along and remains the caller's.  0 or -errno. */
int packet_send(int fd, const struct iovec *parts, size_t nparts, int file) MUST_USE;
/* The number of bytes received.  *ret_file is the caller's; or -1; or -EMFILE: one came, but this
 * process has no room for it.  With ret_file NULL none may come.  -EAGAIN; -EPIPE at the end;
 * -EPROTO for a packet larger than the room for it, or with several descriptors, which are closed;
 * or another -errno. */
ssize_t packet_receive(int fd, const struct iovec *parts, size_t nparts, int *ret_file) MUST_USE;
