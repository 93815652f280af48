/* source.h - an answer's body that does not come from the tenant: pieces of memory and of files. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "net/segment.h"

struct cache_entry;

struct source {
	const struct segment *segments; /* live as long as the exchange */
	size_t count, at;
	uint64_t done; /* of the segment at `at` */
	bool has_ended;
	struct cache_entry *stored; /* what the body belongs to, or parts of it; NULL: nothing */
	void (*unref)(
		void *owner); /* called once, when none of it is needed any more; may be NULL */
	void *owner;
};
