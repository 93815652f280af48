/* source.h - an answer's body that does not come from the tenant: pieces of memory and of files. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct segment {
	str text; /* if fd is -1 */
	int fd;	  /* a regular file */
	uint64_t offset, length;
};

struct source {
	const struct segment *segments; /* live as long as the exchange */
	size_t count, at;
	uint64_t done; /* of the segment at `at` */
	bool has_ended;
	void (*release)(void *owner); /* called once, when nothing of it is needed; may be NULL */
	void *owner;
};
