/* told.c - which variables applications are told, so that command, prepare and env may name
 * them. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

static const struct {
	str name;
	bool is_for_single;
	const char *doc;
} rows[] = {
#define TOLD(name, is_for_single, doc) {STR_INIT(#name), is_for_single, doc},
#include "config/told.def"
};
static_assert(NITEMS(rows) == NTOLD, "a row for each");

const char *config_told_name(enum told told)
{
	return rows[told].name.p;
}

/* NTOLD if there is none. */
static enum told find_row(str name)
{
	enum told i = 0;

	while (i < NTOLD && !str_eq(rows[i].name, name))
		i++;
	return i;
}

/* The next framework, from `f` on, that tells the variable; or NFRAMEWORKS. */
static enum framework next_framework(enum framework f, str name)
{
	while (f < NFRAMEWORKS && !framework_names_variable(f, name))
		f++;
	return f;
}

bool config_is_told(const struct app_conf *app, str name)
{
	for (size_t i = 0; i < app->ndatabases; i++)
		if (app->databases[i].env.n && str_eq(app->databases[i].env, name))
			return true;
	return find_row(name) < NTOLD || framework_names_variable(app->framework, name);
}

static void add_name(struct loader *ld, str name)
{
	str *items;

	if (ld->told.count == ld->told_cap) {
		ld->told_cap = ld->told_cap ? 2 * ld->told_cap : 16;
		items = arena_alloc(&ld->tree, ld->told_cap * sizeof(*items));
		if (ld->told.count)
			memcpy(items, ld->told.items, ld->told.count * sizeof(*items));
		ld->told.items = items;
	}
	ld->told.items[ld->told.count++] = name;
}

static bool is_collected(const struct loader *ld, str name)
{
	for (size_t i = 0; i < ld->told.count; i++)
		if (str_eq(ld->told.items[i], name))
			return true;
	return false;
}

static void collect_databases(struct loader *ld, const struct node *databases)
{
	node_foreach(database, databases) node_foreach(n, database)
	{
		if (n->key && str_eq(n->key->text, STR("env")) && n->kind == NODE_SCALAR &&
			n->text.n && !is_collected(ld, n->text))
			add_name(ld, n->text);
	}
}

/* As deep as the file, which has its limit. */
void told_collect(struct loader *ld, const struct node *root)
{
	if (!root || root->kind == NODE_SCALAR)
		return;
	node_foreach(n, root)
	{
		if (n->key && str_eq(n->key->text, STR("databases")))
			collect_databases(ld, n);
		else
			told_collect(ld, n);
	}
}

bool is_told_to_all(const struct loader *ld, str name)
{
	enum told row = find_row(name);

	return row < NTOLD && (!ld->config->is_single || rows[row].is_for_single);
}

/* The variables of a preset's databases. */
static bool may_be_of_preset(str name)
{
	for (enum framework f = 0; f < NFRAMEWORKS; f++) {
		const char *variable = framework_preset(f)->database_variable;

		if (variable && str_ends(name, str_of(variable)))
			return true;
	}
	return false;
}

bool may_be_told(const struct loader *ld, str name)
{
	bool is_single = ld->config->is_single;
	enum told row = find_row(name);

	if (row < NTOLD)
		return !is_single || rows[row].is_for_single;
	if (next_framework(0, name) < NFRAMEWORKS)
		return !is_single;
	/* Databases of a single application have no variable unless the file gives them one. */
	return is_collected(ld, name) || (!is_single && may_be_of_preset(name));
}

/* --- for the manual --- */

static void write_row(struct buf *out, bool is_mdoc, str name, const char *whom, const char *doc)
{
	if (is_mdoc)
		buf_printf(out, "%s.Li ${" STR_FMT "}", buf_len(out) ? " ,\n" : "", STR_ARG(name));
	else
		buf_printf(out, "| `${" STR_FMT "}` | %s | %s |\n", STR_ARG(name), whom, doc);
}

/* Once, with all the frameworks that tell it. */
static void write_variable(
	struct buf *out, bool is_mdoc, enum framework f, const struct framework_variable *v)
{
	str name = str_of(v->name);
	struct buf whom = {0};

	if (v->how != TELL_NAMED || next_framework(0, name) != f)
		return;
	for (; f < NFRAMEWORKS; f = next_framework(f + 1, name))
		buf_printf(&whom, "%s`%s`", buf_len(&whom) ? ", " : "", framework_preset(f)->word);
	buf_add_char(&whom, '\0');
	write_row(out, is_mdoc, name, buf_str(&whom).p, v->doc);
	buf_done(&whom);
}

void config_told_write(enum config_keys_format format, struct buf *out)
{
	bool is_mdoc = format == CONFIG_KEYS_MDOC;

	if (!is_mdoc)
		buf_add(out, STR("| variable | told to | |\n|---|---|---|\n"));
	for (enum told i = 0; i < NTOLD; i++)
		write_row(out, is_mdoc, rows[i].name,
			rows[i].is_for_single ? "all, a single application too" : "all tenants",
			rows[i].doc);
	for (enum framework f = 0; f < NFRAMEWORKS; f++) {
		const struct framework_variable *v = framework_preset(f)->variables;

		for (; v && v->name; v++)
			write_variable(out, is_mdoc, f, v);
	}
	if (is_mdoc)
		buf_add_char(out, '\n');
}
