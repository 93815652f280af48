/* ports.c - binds a port and keeps it, at 127.0.0.1 and at ::1. */
/* SPDX-License-Identifier: MIT */
#include "tenant/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

#define BACKLOG 4096
/* Few ports are taken at ::1 alone. */
#define HOLD_TRIES 16
/* Few of the kernel's choices are named in the configuration. */
#define AVOID_TRIES 256

void run_port_init(struct run_port *p)
{
	*p = (struct run_port){.fd = -1, .fd6 = -1};
}

void run_port_release(struct run_port *p)
{
	close_fd(&p->fd);
	close_fd(&p->fd6);
}

static int bind_loopback(int fd, unsigned *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(in);
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
		getsockname(fd, (struct sockaddr *)&in, &size) < 0)
		return -errno;
	*port = ntohs(in.sin_port);
	return 0;
}

static int open_port(unsigned number, bool listens, int *ret_fd, unsigned *ret_port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = bind_loopback(fd, &number);
	if (r == 0 && listens && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_port = number;
	return 0;
}

static int open_wish(const struct port_wish *wish, bool listens, int *ret_fd, unsigned *ret_port)
{
	const struct config *avoids = wish ? wish->avoids : NULL;
	unsigned number = wish ? wish->number : 0, port = 0, again = 0;
	int fd = -1, r = open_port(number, listens, &fd, &port);

	while (r == 0 && !number && avoids && config_port_is_said(avoids, port)) {
		int former = fd;

		r = again++ < AVOID_TRIES ? open_port(0, listens, &fd, &port) : -EADDRINUSE;
		close(former); /* only now, so that the next one differs */
	}
	if (r == 0) {
		*ret_fd = fd;
		*ret_port = port;
	}
	return r;
}

int port_listen(const struct port_wish *wish, int *ret_fd, unsigned *ret_port)
{
	return open_wish(wish, true, ret_fd, ret_port);
}

int port_hold(const struct port_wish *wish, int *ret_fd, unsigned *ret_port)
{
	return open_wish(wish, false, ret_fd, ret_port);
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

int port_hold_both(const struct port_wish *wish, int *ret_fd, int *ret_fd6, unsigned *ret_port)
{
	bool is_said = wish && wish->number;
	int fd = -1, fd6 = -1, again = 0, r = port_hold(wish, &fd, ret_port);

	while (r == 0 && hold_ipv6(*ret_port, &fd6) == -EADDRINUSE && again++ < HOLD_TRIES) {
		int former = fd;

		/* another one, as the former is still held */
		r = is_said ? -EADDRINUSE : port_hold(wish, &fd, ret_port);
		close(former);
	}
	if (r < 0)
		return r;
	*ret_fd = fd;
	*ret_fd6 = fd6;
	return 0;
}
