/* ports.c - where an application listens. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

static int bind_loopback(int fd, unsigned *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(in);
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
		getsockname(fd, (struct sockaddr *)&in, &size) < 0)
		return -errno;
	*ret_port = ntohs(in.sin_port);
	return 0;
}

static int open_port(bool listens, int *ret_fd, unsigned *ret_port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = bind_loopback(fd, ret_port);
	if (r == 0 && listens && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

int port_listen(int *ret_fd, unsigned *ret_port)
{
	return open_port(true, ret_fd, ret_port);
}

int port_hold(int *ret_fd, unsigned *ret_port)
{
	return open_port(false, ret_fd, ret_port);
}
