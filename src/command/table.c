/* table.c - prints rows once all widths are known. */
/* SPDX-License-Identifier: MIT */
#include "command/table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"

#define GAP 2 /* blanks between columns */

struct cell {
	str text;
	enum table_style style;
	bool is_note;
};

struct table {
	const char *const *headers;
	size_t ncolumns;
	struct cell *cells; /* row by row; a note stands between rows */
	size_t ncells, cap;
	struct arena arena;
};

static const char *const styles[] = {
	[TABLE_PLAIN] = "",
	[TABLE_BOLD] = "\033[1m",
	[TABLE_DIM] = "\033[2m",
	[TABLE_GOOD] = "\033[32m",
	[TABLE_BUSY] = "\033[33m",
	[TABLE_BAD] = "\033[31m",
};

struct table *table_new(const char *const *headers)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->headers = headers;
	while (headers[t->ncolumns])
		t->ncolumns++;
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	arena_done(&t->arena);
	free(t->cells);
	free(t);
}

static void append_cell(struct table *t, str text, enum table_style style, bool is_note)
{
	if (t->ncells == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = xrealloc(t->cells, t->cap * sizeof(*t->cells));
	}
	t->cells[t->ncells++] = (struct cell){arena_dup(&t->arena, text), style, is_note};
}

void table_cell(struct table *t, str text, enum table_style style)
{
	append_cell(t, text, style, false);
}

void table_note(struct table *t, str text, enum table_style style)
{
	append_cell(t, text, style, true);
}

/* Characters, of which each is taken to be one column wide. */
static size_t width_of(str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

static bool is_number(const struct table *t, size_t column)
{
	return t->headers[column][0] == '>';
}

static str header_of(const struct table *t, size_t column)
{
	return str_of(t->headers[column] + is_number(t, column));
}

static size_t next_column(const struct table *t, size_t column)
{
	return column + 1 < t->ncolumns ? column + 1 : 0;
}

static void measure(const struct table *t, size_t *widths)
{
	size_t column = 0;

	for (size_t i = 0; i < t->ncolumns; i++)
		widths[i] = width_of(header_of(t, i));
	for (size_t i = 0; i < t->ncells; i++) {
		if (t->cells[i].is_note)
			continue;
		widths[column] = MAX(widths[column], width_of(t->cells[i].text));
		column = next_column(t, column);
	}
}

static void add_blanks(struct buf *out, size_t n)
{
	while (n--)
		buf_add_char(out, ' ');
}

void table_styled(struct buf *out, str text, enum table_style style, bool has_colours)
{
	bool is_styled = has_colours && style != TABLE_PLAIN && text.n;

	if (is_styled)
		buf_add(out, str_of(styles[style]));
	buf_add(out, text);
	if (is_styled)
		buf_add(out, STR("\033[0m"));
}

/* No blanks at the end of a line. */
static void add_cell(const struct table *t, size_t column, const struct cell *cell,
	const size_t *widths, bool has_colours, struct buf *out)
{
	size_t blanks = widths[column] - width_of(cell->text);

	if (is_number(t, column))
		add_blanks(out, blanks);
	table_styled(out, cell->text, cell->style, has_colours);
	if (column + 1 == t->ncolumns) {
		buf_add_char(out, '\n');
		return;
	}
	add_blanks(out, GAP + (is_number(t, column) ? 0 : blanks));
}

void table_write(const struct table *t, bool has_colours, struct buf *out)
{
	size_t *widths = xcalloc(t->ncolumns, sizeof(*widths)), column = 0;

	measure(t, widths);
	for (size_t i = 0; i < t->ncolumns; i++) {
		struct cell header = {header_of(t, i), TABLE_BOLD, false};

		add_cell(t, i, &header, widths, has_colours, out);
	}
	for (size_t i = 0; i < t->ncells; i++) {
		const struct cell *cell = &t->cells[i];

		if (cell->is_note) {
			table_styled(out, cell->text, cell->style, has_colours);
			buf_add_char(out, '\n');
			continue;
		}
		add_cell(t, column, cell, widths, has_colours, out);
		column = next_column(t, column);
	}
	free(widths);
}
