/* names.h - asks a name server, and nothing that remembers: addresses and texts of names.
 *
 * Addresses of machines change while we run, and come and go as machines wake and sleep.  Each call
 * asks afresh, blocks, and belongs on a thread (loop/work.h). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "net/socket.h"

/* Who is asked; port 0: those of /etc/resolv.conf. */
struct name_server {
	struct in_addr address;
	uint16_t port;
};

/* "127.0.0.1:5353".  0 or -EINVAL. */
int name_server_parse(str text, struct name_server *ret) MUST_USE;

/* The IPv6 addresses of a name, each with this port; at most max.  Number of them (not 0), -ENOENT:
 * there is no such name, or it has none; -ETIMEDOUT: nobody answered; -EIO: an answer that says no
 * more than that it failed, or makes no sense. */
int names_addresses(const struct name_server *server, const char *name, uint16_t port,
	struct address *ret, size_t max) MUST_USE;
/* Adds the texts (TXT) of a name, with a comma between two.  0, or an error as above. */
int names_texts(const struct name_server *server, const char *name, struct buf *ret) MUST_USE;
