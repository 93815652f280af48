/* socket.c - system calls on sockets, and addresses from and to text. */
/* SPDX-License-Identifier: MIT */
#include "net/socket.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
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

static char *write_byte(char *out, unsigned byte)
{
	if (byte >= 100)
		*out++ = (char)('0' + byte / 100);
	if (byte >= 10)
		*out++ = (char)('0' + byte / 10 % 10);
	*out++ = (char)('0' + byte % 10);
	return out;
}

/* inet_ntop would do, but it goes through printf, and this is done for each request. */
static str text_v4(const struct in_addr *v4, char *out)
{
	const uint8_t *byte = (const uint8_t *)&v4->s_addr;
	char *end = out;

	for (int i = 0; i < 4; i++) {
		if (i)
			*end++ = '.';
		end = write_byte(end, byte[i]);
	}
	*end = 0;
	return (str){out, (size_t)(end - out)};
}

str address_text(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
	if (a->family == AF_INET)
		return text_v4(&a->v4, out);
	assert(a->family == AF_UNSPEC || a->family == AF_INET6);
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

struct endpoint endpoint_local(uint16_t port, bool is_ipv6)
{
	struct endpoint e = {.address = {.family = AF_INET, .port = port}};

	if (is_ipv6) {
		e.address.family = AF_INET6;
		e.address.v6 = in6addr_loopback;
	} else {
		e.address.v4.s_addr = htonl(INADDR_LOOPBACK);
	}
	return e;
}

str endpoint_text(const struct endpoint *e, char out[ENDPOINT_TEXT_MAX])
{
	const struct address *a = &e->address;
	char text[ADDRESS_TEXT_MAX];

	if (e->path || !address_text(a, text).n)
		snprintf(out, ENDPOINT_TEXT_MAX, "%s", e->path ? e->path : "nowhere");
	else
		snprintf(out, ENDPOINT_TEXT_MAX, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", text,
			a->port);
	return str_of(out);
}

/* The port follows the last colon; an IPv6 address is in brackets. */
int endpoint_parse(str text, struct endpoint *ret)
{
	struct endpoint e = {.path = NULL};
	char address[ADDRESS_TEXT_MAX];
	size_t end = text.n;
	uint64_t port;
	bool is_v6;
	str host;

	while (end && text.p[end - 1] != ':')
		end--;
	if (!end || number_parse(str_slice(text, end, text.n), UINT16_MAX, &port) < 0 || !port)
		return -EINVAL;
	host = str_slice(text, 0, end - 1);
	is_v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (is_v6)
		host = str_slice(host, 1, host.n - 1);
	if (host.n >= sizeof(address) || memchr(host.p, 0, host.n))
		return -EINVAL;
	memcpy(address, host.p, host.n);
	address[host.n] = 0;
	e.address.family = is_v6 ? AF_INET6 : AF_INET;
	e.address.port = (uint16_t)port;
	if (inet_pton(e.address.family, address, is_v6 ? (void *)&e.address.v6 : &e.address.v4) !=
		1)
		return -EINVAL;
	*ret = e;
	return 0;
}

static bool is_loopback(const struct address *a)
{
	if (a->family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->v6);
	return ntohl(a->v4.s_addr) >> 24 == IN_LOOPBACKNET;
}

static void tune(int fd, const struct address *to)
{
	socket_set_nodelay(fd);
	/* The loopback is never congested: what a model of the path costs (BBR and its timers)
	 * gains nothing. */
	if (is_loopback(to))
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

union name {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* 0 or -errno. */
static int name_of(const struct endpoint *e, union name *ret, socklen_t *ret_size)
{
	const struct address *a = &e->address;

	if (e->path) {
		size_t n = strlen(e->path);

		if (n >= sizeof(ret->un.sun_path))
			return -ENAMETOOLONG;
		*ret = (union name){.un.sun_family = AF_UNIX};
		memcpy(ret->un.sun_path, e->path, n + 1);
		*ret_size = sizeof(ret->un);
	} else if (a->family == AF_INET) {
		*ret = (union name){.in = {.sin_family = AF_INET,
					    .sin_port = htons(a->port),
					    .sin_addr = a->v4}};
		*ret_size = sizeof(ret->in);
	} else if (a->family == AF_INET6) {
		*ret = (union name){.in6 = {.sin6_family = AF_INET6,
					    .sin6_port = htons(a->port),
					    .sin6_addr = a->v6}};
		*ret_size = sizeof(ret->in6);
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}

int socket_connect(const struct endpoint *to)
{
	union name name;
	socklen_t size;
	int r = name_of(to, &name, &size), fd;

	if (r < 0)
		return r;
	fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!to->path)
		tune(fd, &to->address);
	if (connect(fd, &name.any, size) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
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

bool socket_is_lost(int fd, msec silence)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return false;
	return info.tcpi_unacked && info.tcpi_retransmits && info.tcpi_last_ack_recv >= silence;
}

int socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}
