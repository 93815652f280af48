/* packet.h - one packet through a SEQPACKET socket pair, with at most one descriptor: what
 * channel.c and opening.c are made of. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/uio.h>

#include "base/base.h"

/* A connected pair; both ends CLOEXEC and non-blocking.  0 or -errno. */
int packet_pair(int ret_fds[2]) MUST_USE;
/* `file` is -1, or goes along and stays the caller's.  0 or -errno. */
int packet_send(int fd, const struct iovec *parts, size_t nparts, int file) MUST_USE;
/* The bytes received.  *ret_file is the caller's; or -1; or -EMFILE: one came, and this process has
 * no place for it.  With ret_file NULL none may come.  -EAGAIN; -EPIPE at the end; -EPROTO for a
 * packet with more in it than there is room for, or with several descriptors, which are closed; or
 * another -errno. */
ssize_t packet_receive(int fd, const struct iovec *parts, size_t nparts, int *ret_file) MUST_USE;
