/* ports.h - a port of the kernel's choice, held for an application until it has bound. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

/* A socket that listens on 127.0.0.1 at a port of the kernel's choice, for `listen: fd`.  0 or
 * -errno. */
int port_listen(int *ret_fd, unsigned *ret_port) MUST_USE;
/* A socket that is bound there and does not listen, for `listen: tcp`: nobody else is given the
 * port, and an application that sets SO_REUSEADDR, as servers do, can bind and listen all the same
 * (Linux allows that as long as the other one does not listen). */
int port_hold(int *ret_fd, unsigned *ret_port) MUST_USE;
/* The same, and the port of this number at ::1 too, so that nobody else is found there.
 * *ret_fd6 is -1 where that cannot be had. */
int port_hold_both(int *ret_fd, int *ret_fd6, unsigned *ret_port) MUST_USE;
