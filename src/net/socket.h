/* socket.h - the few things done to sockets: accept, connect, read the peer's address. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <netinet/in.h>

#include "base/str.h"

/* An IPv4 or IPv6 address and port; IPv4-mapped IPv6 is stored as IPv4. family is AF_UNSPEC when
 * unknown. */
struct address {
	uint16_t family;
	uint16_t port;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};
#define ADDRESS_TEXT_MAX 64

/* From the system's own. */
void address_from(struct address *a, const struct sockaddr_storage *from);
/* "192.0.2.1", "2001:db8::1"; empty for AF_UNSPEC.  The result points into out. */
str address_text(const struct address *a, char out[ADDRESS_TEXT_MAX]);

/* Where to connect to: an address and port, or a unix socket. */
struct endpoint {
	struct address address;
	const char *path; /* of the unix socket; NULL: there is none */
};
#define ENDPOINT_TEXT_MAX 128

/* A port of this machine: at 127.0.0.1 or ::1. */
struct endpoint endpoint_local(uint16_t port, bool is_ipv6);
/* "192.0.2.1:3000", "[2001:db8::1]:3000", "/run/app.sock".  The result points into out. */
str endpoint_text(const struct endpoint *e, char out[ENDPOINT_TEXT_MAX]);
/* The way back, for an address with its port; no names.  0 or -EINVAL. */
int endpoint_parse(str text, struct endpoint *ret) MUST_USE;

/* The next waiting connection, non-blocking and close-on-exec.  -EAGAIN if there is none, or
 * another -errno. */
int socket_accept(int listener, struct address *ret_peer) MUST_USE;
/* Begins to connect; LOOP_WRITE reports the end.  A descriptor or -errno (-ENAMETOOLONG for a path
 * that no unix socket can have). */
int socket_connect(const struct endpoint *to) MUST_USE;
/* Sends each write at once (TCP_NODELAY); sockets accepted from a listener inherit it. */
void socket_set_nodelay(int fd);
/* The kernel asks a silent peer now and then whether it is still there, so that a connection whose
 * peer vanished ends, too; inherited as well. */
void socket_set_keepalive(int fd);
/* Open, and nothing to read. */
bool socket_is_silent(int fd);
/* Bytes that were written and the peer has not acknowledged yet; 0 where that cannot be told. */
size_t socket_unsent(int fd);
/* What was sent has not been acknowledged, nor anything else heard, for this long (msec): the other
 * end's system is gone, or stands still.  One that only reads nothing is not lost. */
bool socket_is_lost(int fd, msec silence);
/* The error of a connect that has ended: 0 or -errno. */
int socket_error(int fd);
