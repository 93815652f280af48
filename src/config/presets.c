/* presets.c - tables and phrases about presets, for the documentation. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "config/config_int.h"

/* --- the settings that they decide --- */

static const char *listen_text(const struct preset *p)
{
	return type_words(TYPE_ENUM_LISTEN)[p->listen];
}

static const char *prefix_text(const struct preset *p)
{
	return type_words(TYPE_ENUM_PREFIX)[p->prefix];
}

static const char *prepare_text(const struct preset *p)
{
	return p->prepare;
}

static const char *private_text(const struct preset *p)
{
	return p->private_directories;
}

static const char *public_text(const struct preset *p)
{
	return p->public;
}

static const char *health_text(const struct preset *p)
{
	return p->health_check;
}

static const struct column {
	enum app_row row;
	const char *(*text)(const struct preset *p); /* or NULL */
	const char *where;
} columns[] = {
	{APP_listen, listen_text, " with tenants"},
	{APP_prefix, prefix_text, " with tenants"},
	{APP_prepare, prepare_text, " with tenants"},
	{APP_private_directories, private_text, " with tenants"},
	{APP_public, public_text, ""},
	{APP_health_check, health_text, ""},
};

/* "fd for rails, x for a and b". */
static void add_choices(const struct column *column, const char *usual, struct buf *out)
{
	for (enum framework f = 0; f < FRAMEWORK_ANY; f++) {
		const char *text = column->text(framework_preset(f));
		enum framework first = 0;

		while (!preset_text_equal(column->text(framework_preset(first)), text))
			first++;
		if (preset_text_equal(text, usual) || first < f)
			continue;
		buf_printf(out, "%s%s", buf_len(out) ? ", " : "", text ? text : "nothing");
		for (; first < FRAMEWORK_ANY; first++)
			if (preset_text_equal(column->text(framework_preset(first)), text))
				buf_printf(out, "%s%s", first == f ? " for " : " and ",
					framework_preset(first)->word);
	}
}

static void add_default(const struct column *column, struct buf *out)
{
	const char *usual = column->text(framework_preset(FRAMEWORK_ANY));
	struct buf choices = {0};

	add_choices(column, usual, &choices);
	if (buf_len(&choices))
		buf_printf(out, " Default: " STR_FMT "%s, else %s.", STR_ARG(buf_str(&choices)),
			column->where, usual ? usual : "nothing");
	buf_done(&choices);
}

/* --- words in the texts of rows --- */

/* "rails where bin/rails exists, node where package.json does, else generic". */
static void add_recognised(struct buf *out)
{
	for (enum framework f = 0; f < FRAMEWORK_ANY; f++)
		buf_printf(out, "%s where %s %s, ", framework_preset(f)->word,
			framework_preset(f)->recognised_by, f ? "does" : "exists");
	buf_printf(out, "else %s", framework_preset(FRAMEWORK_ANY)->word);
}

static bool is_first_mode(enum framework f)
{
	enum framework first = 0;

	while (!preset_text_equal(framework_preset(first)->mode, framework_preset(f)->mode))
		first++;
	return first == f && framework_preset(f)->mode;
}

/* "A, B and C". */
static void add_modes(const char *last, struct buf *out)
{
	size_t count = 0, i = 0;

	for (enum framework f = 0; f < NFRAMEWORKS; f++)
		count += is_first_mode(f);
	for (enum framework f = 0; f < NFRAMEWORKS; f++) {
		if (!is_first_mode(f))
			continue;
		buf_printf(out, "%s%s",
			!i		? ""
			: i + 1 < count ? ", "
					: last,
			framework_preset(f)->mode);
		i++;
	}
}

void preset_describe_row(const struct row *row, struct buf *out)
{
	struct buf recognised = {0}, modes = {0}, any = {0};

	add_recognised(&recognised);
	add_modes(" and ", &modes);
	add_modes(" or ", &any);
	framework_fill(row->doc,
		(struct framework_fact[]){{"recognised", buf_str(&recognised)},
			{"modes", buf_str(&modes)}, {"any mode", buf_str(&any)}},
		3, out);
	for (size_t i = 0; i < NITEMS(columns); i++)
		if (row == &sections[SECTION_APP].rows[columns[i].row])
			add_default(&columns[i], out);
	buf_done(&recognised);
	buf_done(&modes);
	buf_done(&any);
}

/* --- the tables --- */

static void add_code(struct buf *out, const char *text)
{
	if (text)
		buf_printf(out, " `%s` |", text);
	else
		buf_add(out, STR(" |"));
}

static void add_names(struct buf *out, const struct preset *p)
{
	const struct framework_database *db = p->databases;

	for (; db && db->name; db++)
		buf_printf(out, "%s%s", db == p->databases ? " " : ", ", db->name);
	buf_add(out, STR(" |"));
}

static void add_variables(struct buf *out, const struct preset *p)
{
	const struct framework_fact facts[] = {
		{"prefix", STR("<prefix>")}, {"environment", STR("<environment>")}};
	const struct framework_variable *v = p->variables;
	const char *before = " ";

	for (; v && v->name; v++) {
		if (v->how == TELL_NAMED)
			continue;
		buf_printf(out, "%s`%s=", before, v->name);
		framework_fill(v->value, facts, NITEMS(facts), out);
		buf_add(out, v->how == TELL_DEFAULT ? STR("` where it is not set") : STR("`"));
		before = ", ";
	}
	buf_add(out, STR(" |"));
}

static void begin_row(struct buf *out, const char *name)
{
	buf_printf(out, "%s|%s%s |", buf_len(out) ? "\n" : "", *name ? " " : "", name);
}

void config_presets_write(struct buf *out)
{
	begin_row(out, "");
	for (enum framework f = 0; f < NFRAMEWORKS; f++)
		add_code(out, framework_preset(f)->word);
	buf_add(out, STR("\n|---|"));
	for (enum framework f = 0; f < NFRAMEWORKS; f++)
		buf_add(out, STR("---|"));
	begin_row(out, "found by");
	for (enum framework f = 0; f < NFRAMEWORKS; f++)
		add_code(out, framework_preset(f)->recognised_by);
	for (size_t i = 0; i < NITEMS(columns); i++) {
		CLEAN_FREE char *name =
			xasprintf("`%s`", sections[SECTION_APP].rows[columns[i].row].name.p);

		begin_row(out, name);
		for (enum framework f = 0; f < NFRAMEWORKS; f++)
			add_code(out, columns[i].text(framework_preset(f)));
	}
	begin_row(out, "databases");
	for (enum framework f = 0; f < NFRAMEWORKS; f++)
		add_names(out, framework_preset(f));
	begin_row(out, "their address");
	for (enum framework f = 0; f < NFRAMEWORKS; f++)
		add_code(out, framework_preset(f)->url);
	begin_row(out, "variables");
	for (enum framework f = 0; f < NFRAMEWORKS; f++)
		add_variables(out, framework_preset(f));
	buf_add_char(out, '\n');
}

static void add_database_row(struct buf *out, enum framework f, const struct framework_database *db)
{
	CLEAN_FREE char *variable = framework_database_variable(f, str_of(db->name));

	buf_printf(out, "| %s `%s` | `", framework_preset(f)->word, db->name);
	framework_fill(
		db->path, &(struct framework_fact){"environment", STR("<environment>")}, 1, out);
	buf_printf(out, "` |");
	add_code(out, variable);
	buf_printf(out, " %s |\n", db->has_backup ? "yes" : "no");
}

void config_databases_write(struct buf *out)
{
	buf_add(out, STR("| database | path | variable | backup |\n|---|---|---|---|\n"));
	for (enum framework f = 0; f < NFRAMEWORKS; f++) {
		const struct framework_database *db = framework_preset(f)->databases;

		for (; db && db->name; db++)
			add_database_row(out, f, db);
	}
}
