/* run_dir.h - our own directories, and the locks that keep a second fly-atc out of them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Held as long as we live; the files stay. */
struct locks {
	int run_fd, storage_fd; /* -1 without */
};

/* Makes server.run_dir and locks it, removes the sockets that a predecessor left, and writes the
 * generated files.  With tenants it also makes and locks server.storage.  0, or -errno with
 * *ret_reason (malloc'd). */
int locks_take(struct locks *ret, const struct config *conf, char **ret_reason) MUST_USE;
void locks_release(struct locks *l);
