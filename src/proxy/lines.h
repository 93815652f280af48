/* lines.h - copies the field lines of a received head: adjacent lines that are kept go in one
 * piece. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "http/header.h"

/* The bytes from `run` on are kept, up to the next line that is not. */
struct head_lines {
	struct buf *out;
	const char *run; /* NULL: the last line was not kept */
};

static inline void lines_keep(struct head_lines *l, const struct header *h)
{
	if (!l->run)
		l->run = h->name.p;
}

static inline void lines_drop(struct head_lines *l, const struct header *h)
{
	if (!l->run)
		return;
	buf_add(l->out, (str){l->run, (size_t)(h->name.p - l->run)});
	l->run = NULL;
}

/* After the last header. */
static inline void lines_end(struct head_lines *l, const struct header *headers, size_t n)
{
	const char *end;

	if (!l->run)
		return;
	end = headers[n - 1].value.p + headers[n - 1].value.n;
	while (*end != '\n')
		end++;
	buf_add(l->out, (str){l->run, (size_t)(end + 1 - l->run)});
	l->run = NULL;
}

/* "Name: value" and the end of the line; `name` includes the colon and the blank. */
static inline void add_line(struct buf *out, str name, str value)
{
	buf_add(out, name);
	buf_add(out, value);
	buf_add(out, STR("\r\n"));
}
