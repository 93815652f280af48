/* buf.c - consumed bytes are dropped when the buffer grows. */
/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/number.h"

char *buf_grow(struct buf *b, size_t n)
{
	if (b->start && b->cap - buf_len(b) >= n) {
		memmove(b->p, b->p + b->start, buf_len(b));
	} else {
		size_t cap = MAX(buf_len(b) + n, MAX(b->cap * 2, (size_t)256));
		char *p;

		assert(b->start <= b->end && b->end <= b->cap && !b->p == !b->cap);
		assert(n <= SIZE_MAX / 4 && b->cap <= SIZE_MAX / 4);
		p = xmalloc(cap);
		if (buf_len(b))
			memcpy(p, b->p + b->start, buf_len(b));
		free(b->p);
		b->p = p;
		b->cap = cap;
	}
	b->end -= b->start;
	b->start = 0;
	return b->p + b->end;
}

void buf_add_number(struct buf *b, uint64_t v)
{
	b->end += number_write(buf_room(b, 20), v);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	assert(n >= 0);
	vsnprintf(buf_room(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
	b->end += (size_t)n;
	va_end(again);
	va_end(ap);
}

void buf_add_html(struct buf *b, str s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&':
			buf_add(b, STR("&amp;"));
			break;
		case '<':
			buf_add(b, STR("&lt;"));
			break;
		case '>':
			buf_add(b, STR("&gt;"));
			break;
		case '"':
			buf_add(b, STR("&quot;"));
			break;
		case '\'':
			buf_add(b, STR("&#39;"));
			break;
		default:
			buf_add_char(b, s.p[i]);
		}
	}
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}
