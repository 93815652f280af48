/* told.c - which variables applications are told, so that command, prepare and env may name them.
 */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

#define FRAMEWORK_BIT(name) (1u << FRAMEWORK_##name)
#define ANY_FRAMEWORK	    (FRAMEWORK_BIT(RAILS) | FRAMEWORK_BIT(NODE) | FRAMEWORK_BIT(GENERIC))
#define TO_SINGLE	    (1u << (FRAMEWORK_GENERIC + 1))

static const struct {
	str name;
	unsigned whom;
	const char *doc;
} rows[] = {
#define TOLD(name, whom, doc) {STR_INIT(#name), whom, doc},
#include "config/told.def"
};
static_assert(NITEMS(rows) == NTOLD, "a row for each");

const char *config_told_name(enum told told)
{
	return rows[told].name.p;
}

bool config_told_applies(enum told told, enum framework framework)
{
	return rows[told].whom & (1u << framework);
}

bool config_is_told(const struct app_conf *app, str name)
{
	for (size_t i = 0; i < app->ndatabases; i++)
		if (app->databases[i].env.n && str_eq(app->databases[i].env, name))
			return true;
	for (enum told i = 0; i < NTOLD; i++)
		if (str_eq(rows[i].name, name))
			return config_told_applies(i, app->framework);
	return false;
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

/* As deep as the file is, which has its limit. */
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
	unsigned whom = ld->config->is_single ? TO_SINGLE : ANY_FRAMEWORK;

	for (enum told i = 0; i < NTOLD; i++)
		if (str_eq(rows[i].name, name))
			return (rows[i].whom & whom) == whom;
	return false;
}

bool may_be_told(const struct loader *ld, str name)
{
	bool is_single = ld->config->is_single;

	for (enum told i = 0; i < NTOLD; i++)
		if (str_eq(rows[i].name, name))
			return !is_single || (rows[i].whom & TO_SINGLE);
	/* The variables of a preset's databases; those of a single application have none. */
	return is_collected(ld, name) || (!is_single && str_ends(name, STR("DATABASE_URL")));
}

static const char *whom_text(unsigned whom)
{
	if (whom == (ANY_FRAMEWORK | TO_SINGLE))
		return "all, a single application too";
	if (whom == ANY_FRAMEWORK)
		return "all tenants";
	return whom == FRAMEWORK_BIT(RAILS) ? "`rails`" : "`node`";
}

void config_told_write(enum config_keys_format format, struct buf *out)
{
	bool is_mdoc = format == CONFIG_KEYS_MDOC;

	if (!is_mdoc)
		buf_add(out, STR("| variable | told to | |\n|---|---|---|\n"));
	for (size_t i = 0; i < NTOLD; i++) {
		if (is_mdoc)
			buf_printf(out, "%s.Li ${" STR_FMT "}", i ? " ,\n" : "",
				STR_ARG(rows[i].name));
		else
			buf_printf(out, "| `${" STR_FMT "}` | %s | %s |\n", STR_ARG(rows[i].name),
				whom_text(rows[i].whom), rows[i].doc);
	}
	if (is_mdoc)
		buf_add_char(out, '\n');
}
