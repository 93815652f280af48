/* segment.h - a piece of a body that is already here: memory, or part of a file. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct segment {
	str text; /* if fd is -1 */
	int fd;	  /* a regular file */
	uint64_t offset, length;
};

static inline uint64_t segment_length(const struct segment *s)
{
	return s->fd < 0 ? s->text.n : s->length;
}
