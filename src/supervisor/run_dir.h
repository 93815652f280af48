/* run_dir.h - our own directories, and the locks that keep a second fly-atc out of them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "tenant/custody.h"

/* Held as long as we live; the files stay. */
struct locks {
	int run_fd;		 /* -1 without */
	struct custody *custody; /* of server.storage; NULL without */
};

/* Makes server.run_dir and locks it, removes the sockets that a predecessor left, and writes the
 * generated files.  With tenants it also makes and locks server.storage, alone or with others
 * (server.handover).  A run_dir that nobody has asked for gives way to another if it is in use.  0,
 * or -errno with *ret_reason (malloc'd). */
int locks_take(struct locks *ret, struct loop *l, struct config *conf, char **ret_reason) MUST_USE;
void locks_release(struct locks *l);
