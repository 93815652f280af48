/* asked.h - the head that was written for a tenant (forward.h), looked at and changed afterwards.
 *
 * It is ours, so it is split and not judged: a client decides what stands in it, and neither that
 * nor how much of it there is can be wrong here. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "http/header.h"

struct asked {
	str line; /* the request line, with its end */
	struct header *headers;
	size_t nheaders;
};

/* Every field of the head, however many there are: the array is in the arena, the strings stay in
 * `head`.  is_hop is not looked at. */
void asked_read(struct arena *a, str head, struct asked *ret);

typedef bool asked_drop_fn(const struct header *h);
/* Appends the head without the fields for which `drops` says true, and without the empty line, so
 * that more can be added.  `out` is not where the head is. */
void asked_write(struct buf *out, const struct asked *head, asked_drop_fn *drops);
