/* listeners.h - the sockets that clients connect to: they outlive every proxy. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

struct listeners {
	int *fds; /* one for each event-loop thread of the proxy */
	size_t count;
	unsigned port;	   /* 0 if it is no TCP socket */
	bool is_inherited; /* from our own LISTEN_FDS */
};

/* Binds `threads` sockets to server.address and http_port, or takes those of LISTEN_FDS.  0 or
 * -errno with *ret_reason (malloc'd): what failed and what to do. */
int listeners_open(struct listeners *ret, const struct server_conf *server, size_t threads,
	char **ret_reason) MUST_USE;
void listeners_close(struct listeners *l);
/* server.threads, or what it means when it is 0. */
size_t listeners_threads(const struct server_conf *server);
