/* buf.c - a growing queue of bytes. */
/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/number.h"

char *buf_grow(struct buf *b, size_t n)
{
	assert(b->start <= b->end && b->end <= b->cap);
	assert(n <= SIZE_MAX / 4 && b->cap <= SIZE_MAX / 4);
	if (b->start && b->cap - buf_len(b) >= n) {
		memmove(b->p, b->p + b->start, buf_len(b));
	} else {
		size_t cap = MAX(buf_len(b) + n, MAX(b->cap * 2, (size_t)256));
		char *p = xmalloc(cap);

		if (buf_len(b))
			memcpy(p, b->p + b->start, buf_len(b));
		free(b->p);
		b->p = p;
		b->cap = cap;
	}
	b->end -= b->start;
	b->start = 0;
	assert(b->cap - b->end >= n);
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

/* Length of the well-formed UTF-8 sequence at p (n bytes are there), 0 if there is none (Unicode
 * table 3-7). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t need = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (!need || need > n)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return need;
}

static void add_json_control(struct buf *b, unsigned char c)
{
	if (c == '\n')
		buf_add(b, STR("\\n"));
	else if (c == '\t')
		buf_add(b, STR("\\t"));
	else if (c == '\r')
		buf_add(b, STR("\\r"));
	else
		buf_printf(b, "\\u%04x", c);
}

void buf_add_json(struct buf *b, str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0;

	while (i < s.n) {
		size_t plain = i;

		while (plain < s.n && p[plain] >= 0x20 && p[plain] < 0x7f && p[plain] != '"' &&
			p[plain] != '\\')
			plain++;
		buf_add(b, str_slice(s, i, plain));
		i = plain;
		if (i == s.n)
			return;
		if (p[i] == '"' || p[i] == '\\') {
			buf_add_char(b, '\\');
			buf_add_char(b, s.p[i++]);
		} else if (p[i] < 0x20 || p[i] == 0x7f) {
			add_json_control(b, p[i++]);
		} else {
			size_t n = utf8_length(p + i, s.n - i);

			assert(n <= s.n - i);
			buf_add(b, n ? str_slice(s, i, i + n) : STR("\\ufffd"));
			i += n ? n : 1;
		}
	}
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
	assert(b->start <= b->end && b->end <= b->cap);
	assert(!b->cap || b->p);
	free(b->p);
	*b = (struct buf){0};
}
