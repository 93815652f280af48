/* keys.c - the tables of all settings, from the rows: for docs/configuration.md and fly-atc.yml(5).
 */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

static const char *reload_text(unsigned flags)
{
	if (flags & PENDING)
		return "pending";
	if (flags & EDGE)
		return "no effect";
	return flags & RESTART ? "restart" : "at once";
}

/* Text of Markdown in a cell of a table. */
static void add_cell(struct buf *out, str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (strchr("|<>*", text.p[i]))
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

		buf_printf(
			out, "| `" STR_FMT "` | %s | ", STR_ARG(row->name), type_name(row->type));
		buf_printf(out, *row->fallback ? "`%s`" : "%s", row->fallback);
		buf_add(out, STR(" | "));
		if (row->env)
			buf_printf(out, "`%s`", row->env);
		buf_printf(out, " | %s | ", reload_text(row->flags));
		add_cell(out, str_of(row->doc));
		buf_add(out, STR(" |\n"));
	}
	buf_add_char(out, '\n');
}

/* Text of mdoc(7): no line may begin with a dot or an apostrophe, backslashes are \e. */
static void add_mdoc(struct buf *out, str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\\')
			buf_add(out, STR("\\e"));
		else
			buf_add_char(out, text.p[i]);
	}
}

static void write_mdoc(const struct section *s, struct buf *out)
{
	buf_printf(out, ".Ss " STR_FMT "\n.Bl -tag -width Ds\n", STR_ARG(s->name));
	for (size_t i = 0; i < s->nrows; i++) {
		const struct row *row = &s->rows[i];

		buf_printf(out, ".It Cm " STR_FMT " : Ar %s\n", STR_ARG(row->name),
			type_name(row->type));
		add_mdoc(out, str_of(row->doc));
		buf_add_char(out, '\n');
		if (*row->fallback)
			buf_printf(out, "Default: %s.\n", row->fallback);
		if (row->env)
			buf_printf(out, "Environment: %s.\n", row->env);
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
