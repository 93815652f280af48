/* listening.h - where the processes of a tenant listen, whatever they were told.
 *
 * By the numbers of the sockets: those of /proc/net among the open files of its processes.  Calls
 * block for some milliseconds, for the threads of work.h, and look at a bounded number of
 * processes, files and sockets. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/buf.h"

#define LISTENING_MAX	   16u
#define LISTENER_TEXT_SIZE 112u

struct open_port {
	char text[LISTENER_TEXT_SIZE]; /* "0.0.0.0:3000", "[::1]:3000", the path of a unix socket */
	unsigned port;		       /* 0: a unix socket */
	pid_t pid;		       /* of one of the processes that have it */
	bool is_at_ipv4, is_at_ipv6;   /* it can be reached at 127.0.0.1, at ::1 */
	bool is_shared; /* another process listens at the same port, be it at another address */
};

struct listening {
	struct open_port items[LISTENING_MAX]; /* unix sockets only where there is no other */
	size_t count;
	bool is_cut; /* there is more than was looked at, or some of it cannot be seen */
};

/* The sockets of the process and its descendants, each address once. */
void listening_find(pid_t leader, struct listening *ret);
/* "0.0.0.0:3000 (pid 7) and 127.0.0.1:9090 (pid 8)". */
void listening_describe(const struct listening *l, struct buf *out);
/* True if one of them is at the port that was told, where it was told. */
bool listening_is_at(const struct listening *l, unsigned port);
/* Which one may be used instead of the port that was told: the one that listens, if there is only
 * one port, at a loopback address, and no other process has it.  NULL with *ret_why. */
const struct open_port *listening_choose(const struct listening *l, const char **ret_why);

/* A process that listens at this port of this machine, 0 if none is seen. */
pid_t listening_owner(unsigned port);
