/* lines.h - bytes in, lines out: for what a child writes. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

typedef void lines_fn(void *arg, str line, bool is_cut);

/* Zero is an empty splitter. */
struct lines {
	struct buf partial; /* never longer than the limit */
	bool is_skipping;   /* the rest of a line that was cut and given already */
};

/* Passes on every line that ends in `bytes`, without its end (LF or CRLF).  A line longer than
 * `max` is passed on once, cut, as soon as that is known; the rest of it is dropped. */
void lines_feed(struct lines *l, str bytes, size_t max, lines_fn *on_line, void *arg);
/* Passes on the last line if it had no end, and frees. */
void lines_end(struct lines *l, lines_fn *on_line, void *arg);
