/* family.h - the processes of a tenant, as far as they descend from the one that was started. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/base.h"

/* A tenant with more of anything does not keep us busy: the rest is not looked at. */
#define FAMILY_MAX	   1024u
#define FAMILY_MAX_THREADS 16384u
#define FAMILY_MAX_FILES   65536u

struct family {
	pid_t pids[FAMILY_MAX]; /* the leader first */
	size_t count;
	bool is_cut; /* there are more */
};

/* Blocks for some milliseconds; free() it. */
struct family *family_find(pid_t leader) MUST_USE;
