/* table.h - text in columns as wide as their content. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

struct table;

/* How a cell or line is shown on a terminal; nothing of it elsewhere. */
enum table_style { TABLE_PLAIN, TABLE_BOLD, TABLE_DIM, TABLE_GOOD, TABLE_BUSY, TABLE_BAD };

/* `headers` ends in NULL and is borrowed; a header that begins with '>' marks a column of numbers,
 * aligned right. */
struct table *table_new(const char *const *headers) MUST_USE;
/* The next cell of the row, from left to right; a full row begins the next.  Copies text. */
void table_cell(struct table *t, str text, enum table_style style);
/* A line of its own after the last row. */
void table_note(struct table *t, str text, enum table_style style);
void table_write(const struct table *t, bool has_colours, struct buf *out);
/* Text in a style, on its own. */
void table_styled(struct buf *out, str text, enum table_style style, bool has_colours);
void table_free(struct table *t);
