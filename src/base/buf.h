/* buf.h - a growing queue of bytes: append at the end, consume at the front. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* Zero is an empty buffer.  The bytes waiting are p[start .. end). */
struct buf {
	char *p;
	size_t start, end, cap;
};

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline str buf_str(const struct buf *b)
{
	return (str){b->p ? b->p + b->start : "", b->end - b->start};
}

/* Room for at least n more bytes; returns where they go.  Report with buf_added how many were
 * written. */
char *buf_grow(struct buf *b, size_t n);
static inline char *buf_room(struct buf *b, size_t n)
{
	return likely(b->cap - b->end >= n) ? b->p + b->end : buf_grow(b, n);
}
static inline void buf_added(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->end);
	b->end += n;
}
static inline void buf_add(struct buf *b, str s)
{
	if (!s.n)
		return;
	memcpy(buf_room(b, s.n), s.p, s.n);
	b->end += s.n; /* for which there is room */
}
static inline void buf_add_char(struct buf *b, char c)
{
	*buf_room(b, 1) = c;
	b->end++;
}
void buf_add_number(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Text of HTML with & < > " ' escaped. */
void buf_add_html(struct buf *b, str s);
/* Drops n bytes from the front. */
void buf_consume(struct buf *b, size_t n);
/* Empties it but keeps the memory; buf_done frees the memory. */
void buf_clear(struct buf *b);
void buf_done(struct buf *b);
