/* lines.c - bytes in, lines out. */
/* SPDX-License-Identifier: MIT */
#include "process/lines.h"

static void give_line(str line, lines_fn *on_line, void *arg)
{
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	on_line(arg, line, false);
}

/* `piece` belongs to a line that is not known to continue. */
static void keep(struct lines *l, str piece, size_t max, lines_fn *on_line, void *arg)
{
	size_t room = max - buf_len(&l->partial);

	if (l->is_skipping)
		return;
	if (piece.n <= room) {
		buf_add(&l->partial, piece);
		return;
	}
	buf_add(&l->partial, str_slice(piece, 0, room));
	on_line(arg, buf_str(&l->partial), true);
	buf_clear(&l->partial);
	l->is_skipping = true;
}

static void end_line(struct lines *l, str piece, size_t max, lines_fn *on_line, void *arg)
{
	if (!buf_len(&l->partial) && !l->is_skipping && piece.n <= max) {
		give_line(piece, on_line, arg);
		return;
	}
	keep(l, piece, max, on_line, arg);
	if (!l->is_skipping)
		give_line(buf_str(&l->partial), on_line, arg);
	buf_clear(&l->partial);
	l->is_skipping = false;
}

void lines_feed(struct lines *l, str bytes, size_t max, lines_fn *on_line, void *arg)
{
	ssize_t at;

	while ((at = str_find_char(bytes, '\n')) >= 0) {
		end_line(l, str_slice(bytes, 0, (size_t)at), max, on_line, arg);
		bytes = str_slice(bytes, (size_t)at + 1, bytes.n);
	}
	if (bytes.n)
		keep(l, bytes, max, on_line, arg);
	else if (!buf_len(&l->partial))
		buf_done(&l->partial); /* a silent process costs no buffer */
}

void lines_end(struct lines *l, lines_fn *on_line, void *arg)
{
	if (buf_len(&l->partial))
		give_line(buf_str(&l->partial), on_line, arg);
	buf_done(&l->partial);
	l->is_skipping = false;
}
