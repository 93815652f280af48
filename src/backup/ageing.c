/* ageing.c - a Litestream that has leaked enough makes room for a fresh one. */
/* SPDX-License-Identifier: MIT */
#include <sys/resource.h>

#include "backup/backup_int.h"

#define MAX_MEMORY (1024u << 20) /* GOMEMLIMIT is half of it */

/* It leaks descriptors with each database that it is ever given: a low limit means an early end. */
static uint64_t released_limit(const struct backup *b)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return b->timing.max_released;
	return MIN(b->timing.max_released, (uint64_t)limit.rlim_max / 4);
}

void ageing_check(struct backup *b)
{
	uint64_t memory;

	if (b->stop.is_stopping || !daemon_is_ready(b->daemon))
		return;
	if (b->registry.released >= released_limit(b)) {
		daemon_replace(b->daemon, false,
			"it has had thousands of databases, and leaks a little with each");
		return;
	}
	memory = daemon_memory(b->daemon);
	if (memory > MAX_MEMORY)
		daemon_replace(b->daemon, false, "it uses too much memory");
}
