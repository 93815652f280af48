/* compose.h - the head of a response of our own making, in the form that response_head_parse would
 * have left: adjacent field lines, and headers that point into them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "http/head.h"

struct compose {
	struct header *headers;
	size_t n, max;
	char *at, *end;
};

/* Room for this many fields, and for names and values of this many bytes in all. */
void compose_begin(struct compose *c, struct arena *a, size_t max_fields, size_t max_bytes);
/* Both are copied. */
void compose_add(struct compose *c, enum header_id id, str value);
/* A field of another head, unchanged. */
void compose_copy(struct compose *c, const struct header *h);
/* A final head with these fields; its body is known only to the code that sends it. */
void compose_head(const struct compose *c, unsigned status, struct response_head *ret);
