/* ports.c - where an application listens. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
/* Ports that somebody has at ::1 alone are few. */
#define HOLD_TRIES 16

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

static int hold_ipv6(unsigned port, int *ret_fd)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

int port_hold_both(int *ret_fd, int *ret_fd6, unsigned *ret_port)
{
	int fd = -1, fd6 = -1, r = port_hold(&fd, ret_port), again = 0;

	while (r == 0 && hold_ipv6(*ret_port, &fd6) == -EADDRINUSE && again++ < HOLD_TRIES) {
		int former = fd;

		r = port_hold(&fd, ret_port); /* another one, as the former is still held */
		close(former);
	}
	if (r < 0)
		return r;
	*ret_fd = fd;
	*ret_fd6 = fd6;
	return 0;
}
