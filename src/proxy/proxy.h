/* proxy.h - the process that faces the clients: it owns their sockets and those of the tenants, and
 * nothing else. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

/* Inherited from the supervisor. */
struct proxy_start {
	int channel_fd;
	int scoreboard_fd;
	const int *listen_fds; /* one for each event-loop thread */
	const int *opener_fds; /* as many: link/opening.h */
	size_t nlisten_fds;
};

/* Serves until the supervisor says drain or goes away.  Returns the exit status of the process. */
int proxy_main(const struct proxy_start *start);
