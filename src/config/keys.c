/* keys.c - the tables of all settings, from the rows: for docs/configuration.md and fly-atc.yml(5).
 */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

#define MAX_COLUMN 78

static const char *reload_text(unsigned flags)
{
	if (flags & EDGE)
		return "no effect";
	if (flags & BOOT)
		return "new copy";
	return flags & RESTART ? "restart" : "at once";
}

/* A default that depends on something else is told in words. */
static const char *default_text(const struct row *row)
{
	return strstr(row->doc, "Default:") ? "" : row->fallback;
}

/* Text of Markdown in a cell of a table. */
static void add_cell(struct buf *out, str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (strchr("|<>*[]", text.p[i]))
			buf_add_char(out, '\\');
		buf_add_char(out, text.p[i]);
	}
}

static void write_markdown(const struct section *s, struct buf *out)
{
	buf_printf(out,
		"### `" STR_FMT ":`\n\n| key | type | default | environment | reload | meaning |\n"
		"|---|---|---|---|---|---|\n",
		STR_ARG(s->name));
	for (size_t i = 0; i < s->nrows; i++) {
		const struct row *row = &s->rows[i];
		const char *value = default_text(row);

		buf_printf(out, "| `" STR_FMT "` | %s |", STR_ARG(row->name), type_name(row->type));
		if (*value)
			buf_printf(out, " `%s`", value);
		buf_add(out, STR(" |"));
		if (row->env)
			buf_printf(out, " `%s`", row->env);
		buf_printf(out, " | %s | ", reload_text(row->flags));
		add_cell(out, str_of(row->doc));
		buf_add(out, STR(" |\n"));
	}
	buf_add_char(out, '\n');
}

/* Text of mdoc(7): a sentence begins a line, and no line is wide. */
static void add_sentences(struct buf *out, str text)
{
	size_t column = 0;
	bool is_end = false;
	str word;

	while (str_split(&text, ' ', &word)) {
		if (column && (is_end || column + 1 + word.n > MAX_COLUMN)) {
			buf_add_char(out, '\n');
			column = 0;
		}
		if (column)
			buf_add_char(out, ' ');
		buf_add(out, word);
		column += word.n + (column > 0);
		is_end = str_ends(word, STR(".")) && !str_ends(word, STR(".."));
	}
	buf_add_char(out, '\n');
}

static void write_mdoc(const struct section *s, struct buf *out)
{
	buf_printf(out, ".Ss " STR_FMT "\n.Bl -tag -width Ds\n", STR_ARG(s->name));
	for (size_t i = 0; i < s->nrows; i++) {
		const struct row *row = &s->rows[i];
		const char *value = default_text(row);

		buf_printf(out, ".It Cm " STR_FMT " : Ar %s\n", STR_ARG(row->name),
			type_name(row->type));
		add_sentences(out, str_of(row->doc));
		if (*value)
			buf_printf(out, "Default:\n.Li \\&%s .\n", value);
		if (row->env)
			buf_printf(out, "Environment:\n.Ev %s .\n", row->env);
		if (row->flags & RESTART)
			buf_add(out, STR("A change needs a restart.\n"));
		if (row->flags & BOOT)
			buf_add(out, STR("A change replaces running copies.\n"));
	}
	buf_add(out, STR(".El\n"));
}

void config_keys_write(enum config_keys_format format, struct buf *out)
{
	for (size_t i = 0; i < NSECTIONS; i++) {
		switch (format) {
		case CONFIG_KEYS_MARKDOWN:
			write_markdown(&sections[i], out);
			break;
		case CONFIG_KEYS_MDOC:
			write_mdoc(&sections[i], out);
			break;
		}
	}
}
