/* socket.c - accept, connect, addresses. */
/* SPDX-License-Identifier: MIT */
#include "net/socket.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/number.h"

void address_from(struct address *a, const struct sockaddr_storage *from)
{
	const struct sockaddr_in6 *in6 = (const void *)from;
	const struct sockaddr_in *in4 = (const void *)from;

	*a = (struct address){.family = AF_UNSPEC};
	if (from->ss_family == AF_INET) {
		a->family = AF_INET;
		a->port = ntohs(in4->sin_port);
		a->v4 = in4->sin_addr;
	} else if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		a->family = AF_INET;
		a->port = ntohs(in6->sin6_port);
		memcpy(&a->v4, in6->sin6_addr.s6_addr + 12, sizeof(a->v4));
	} else if (from->ss_family == AF_INET6) {
		a->family = AF_INET6;
		a->port = ntohs(in6->sin6_port);
		a->v6 = in6->sin6_addr;
	}
}

/* inet_ntop would do, but it goes through printf, and this is done for each request. */
static str text_v4(const struct in_addr *v4, char *out)
{
	const uint8_t *byte = (const uint8_t *)&v4->s_addr;
	char *end = out;

	for (int i = 0; i < 4; i++) {
		if (i)
			*end++ = '.';
		end += number_write(end, byte[i]);
	}
	*end = 0;
	return (str){out, (size_t)(end - out)};
}

str address_text(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
	if (a->family == AF_INET)
		return text_v4(&a->v4, out);
	if (a->family == AF_UNSPEC || !inet_ntop(a->family, &a->v6, out, ADDRESS_TEXT_MAX))
		return STR_EMPTY;
	return str_of(out);
}

int socket_accept(int listener, struct address *ret_peer)
{
	struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(from);
	int fd = accept4(listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	address_from(ret_peer, &from);
	return fd;
}

void socket_set_nodelay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void socket_set_keepalive(int fd)
{
	int on = 1, idle = 60, pause = 15, tries = 4; /* seconds */

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &pause, sizeof(pause));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
}

static int connect_to(int fd, const struct sockaddr *to, socklen_t size)
{
	int r;

	if (fd < 0)
		return -errno;
	if (connect(fd, to, size) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

int socket_connect_local(uint16_t port, bool is_ipv6)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd =
		socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		socket_set_nodelay(fd);
		/* The loopback is never congested: what a model of the path costs (BBR and its
		 * timers) buys nothing. */
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	}
	if (is_ipv6)
		return connect_to(fd, (const struct sockaddr *)&to6, sizeof(to6));
	return connect_to(fd, (const struct sockaddr *)&to, sizeof(to));
}

int socket_connect_unix(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = strlen(path);

	if (n >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, n + 1);
	return connect_to(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
		(const struct sockaddr *)&to, sizeof(to));
}

bool socket_is_silent(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

size_t socket_unsent(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

int socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}
