/* ports.h - a port for an application, held until it has bound. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* NULL, or all zero: whichever the kernel has free. */
struct port_wish {
	unsigned number;	     /* this one and no other; 0: the kernel's choice, but */
	const struct config *avoids; /* not one that is a tenant's `port` there; or NULL */
};

/* Where the application of a run listens. */
struct run_port {
	int fd;		  /* listening for it, or keeping its port; -1 */
	int fd6;	  /* keeps its port at ::1, or -1 */
	bool may_be_ipv6; /* no other process can be at ::1 with its port */
	unsigned told;	  /* where it was told to listen; 0: at a unix socket */
};

void run_port_init(struct run_port *p);
/* The application has it, or it is no longer needed. */
void run_port_release(struct run_port *p);
/* A socket that listens on 127.0.0.1 for `listen: fd`.  0 or -errno. */
int port_listen(const struct port_wish *wish, int *ret_fd, unsigned *ret_port) MUST_USE;
/* A socket that is bound there and does not listen, for `listen: tcp`: no other program is given
 * the port, and an application that sets SO_REUSEADDR, as servers do, can bind and listen all the
 * same (Linux allows that as long as the other one does not listen).  The port of this number at
 * ::1 too, so that nobody else is found there: *ret_fd6 is -1 where that cannot be had; a port that
 * was asked for and is taken at ::1 is -EADDRINUSE. */
int port_hold_both(
	const struct port_wish *wish, int *ret_fd, int *ret_fd6, unsigned *ret_port) MUST_USE;
/* For tests: the same at 127.0.0.1 alone. */
int port_hold(const struct port_wish *wish, int *ret_fd, unsigned *ret_port) MUST_USE;
