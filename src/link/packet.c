/* packet.c - one packet through a SEQPACKET socket pair. */
/* SPDX-License-Identifier: MIT */
#include "link/packet.h"

#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"

int packet_pair(int ret_fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
		return -errno;
	return 0;
}

static struct msghdr message(const struct iovec *parts, size_t nparts)
{
	return (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = nparts};
}

int packet_send(int fd, const struct iovec *parts, size_t nparts, int file)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr msg = message(parts, nparts);

	if (file >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &file, sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int file_of(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int file;

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
		cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&file, CMSG_DATA(cmsg), sizeof(int));
	return file;
}

ssize_t packet_receive(int fd, const struct iovec *parts, size_t nparts, int *ret_file)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr msg = message(parts, nparts);
	ssize_t n;
	int file;

	if (ret_file) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return -EPIPE;
	file = file_of(&msg);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		close_fd(&file);
		return -EPROTO;
	}
	if (ret_file)
		*ret_file = file;
	return n;
}
