/* packet.c - sendmsg and recvmsg, with room for every descriptor that may come. */
/* SPDX-License-Identifier: MIT */
#include "link/packet.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* The most that the kernel lets a packet have (SCM_MAX_FD): with room for all, it is not left to
 * the kernel which ones arrive. */
#define FILES_MAX 253

struct files {
	int first;
	size_t count;
};

/* The sender decides how many descriptors come, and each takes a number in our table from then
 * on. */
static struct files files_of(struct msghdr *msg)
{
	struct files files = {.first = -1};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int file;

			memcpy(&file, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (files.count++ == 0)
				files.first = file;
			else
				close(file);
		}
	}
	return files;
}

ssize_t packet_receive(int fd, const struct iovec *parts, size_t nparts, int *ret_file)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FILES_MAX * sizeof(int))];
	struct msghdr msg = message(parts, nparts);
	struct files files;
	ssize_t n;

	if (ret_file) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return -EPIPE;
	files = files_of(&msg);
	/* Cut off although there was room for all that there can be: we have no free descriptor. */
	if (ret_file && !files.count && (msg.msg_flags & MSG_CTRUNC)) {
		files.first = -EMFILE;
		msg.msg_flags &= ~MSG_CTRUNC;
	}
	if (files.count > 1 || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_fd(&files.first);
		return -EPROTO;
	}
	if (ret_file)
		*ret_file = files.first;
	return n;
}
