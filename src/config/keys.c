/* keys.c - the tables of all settings, from the rows: for docs/configuration.md and
 * fly-atc.yml(5). */
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

/* A default that depends on something else is described in words. */
static const char *default_text(const struct row *row, str doc)
{
	return str_find(doc, STR("Default:")) >= 0 ? "" : row->fallback;
}

/* Text as Markdown, in a cell of a table. */
static void add_cell(struct buf *out, str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (strchr("|<>*[]", text.p[i]))
			buf_add_char(out, '\\');
		buf_add_char(out, text.p[i]);
	}
}

static void write_markdown_row(const struct row *row, str doc, struct buf *out)
{
	const char *value = default_text(row, doc);

	buf_printf(out, "| `" STR_FMT "` | %s |", STR_ARG(row->name), type_name(row->type));
	if (*value)
		buf_printf(out, " `%s`", value);
	buf_add(out, STR(" |"));
	if (row->env)
		buf_printf(out, " `%s`", row->env);
	buf_printf(out, " | %s | ", reload_text(row->flags));
	add_cell(out, doc);
	buf_add(out, STR(" |\n"));
}

static void write_rows(const struct section *s,
	void (*write)(const struct row *row, str doc, struct buf *out), struct buf *out)
{
	for (size_t i = 0; i < s->nrows; i++) {
		struct buf doc = {0};

		preset_describe_row(&s->rows[i], &doc);
		write(&s->rows[i], buf_str(&doc), out);
		buf_done(&doc);
	}
}

static void write_markdown(const struct section *s, struct buf *out)
{
	buf_printf(out,
		"### `" STR_FMT ":`\n\n| key | type | default | environment | reload | meaning |\n"
		"|---|---|---|---|---|---|\n",
		STR_ARG(s->name));
	write_rows(s, write_markdown_row, out);
	buf_add_char(out, '\n');
}

/* Text as mdoc(7): a sentence begins a line, and no line is wide. */
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

static void write_mdoc_row(const struct row *row, str doc, struct buf *out)
{
	const char *value = default_text(row, doc);

	buf_printf(out, ".It Cm " STR_FMT " : Ar %s\n", STR_ARG(row->name), type_name(row->type));
	add_sentences(out, doc);
	if (*value)
		buf_printf(out, "Default:\n.Li \\&%s .\n", value);
	if (row->env)
		buf_printf(out, "Environment:\n.Ev %s .\n", row->env);
	if (row->flags & RESTART)
		buf_add(out, STR("A change needs a restart.\n"));
	if (row->flags & BOOT)
		buf_add(out, STR("A change replaces running copies.\n"));
}

static void write_mdoc(const struct section *s, struct buf *out)
{
	buf_printf(out, ".Ss " STR_FMT "\n.Bl -tag -width Ds\n", STR_ARG(s->name));
	write_rows(s, write_mdoc_row, out);
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
