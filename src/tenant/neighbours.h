/* neighbours.h - other fly-atc with the same storage: each has a socket in a directory there, by
 * which it hears which tenants the others want.
 *
 * A word that is lost is said again; one that says what is not so costs a tenant its sleep or its
 * wake, and no data: who may open databases is decided by locks alone (custody.h). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"
#include "loop/loop.h"

/* Another one wants this tenant.  Not from inside a call. */
typedef void neighbours_wanted_fn(void *arg, str id);

struct neighbours {
	int dir; /* where the sockets are; borrowed */
	int fd;	 /* ours; -1 without */
	char name[32];
	struct watch watch;
	neighbours_wanted_fn *on_wanted;
	void *arg;
};

/* Makes our socket; what is said to it waits until neighbours_listen.  0 or -errno. */
int neighbours_open(struct neighbours *n, int dir) MUST_USE;
int neighbours_listen(
	struct neighbours *n, struct loop *l, neighbours_wanted_fn *on_wanted, void *arg) MUST_USE;
/* Tells all the others that we want this tenant.  False: one of them did not take it in; say it
 * again. */
bool neighbours_ask(const struct neighbours *n, str id);
void neighbours_close(struct neighbours *n);
