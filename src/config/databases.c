/* databases.c - the databases of a tenant: those of its framework, then what `databases:` and
 * `database:` say. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "config/config_int.h"

static bool read_part(struct loader *ld, const struct node *n, str *ret)
{
	if (n->kind != NODE_SCALAR || node_is_null(n)) {
		if (!n->is_bad)
			fault_at(ld, n->place, "databases: " STR_FMT ": expected a text, not %s",
				STR_ARG(n->key->text), node_kind_text(n));
		return false;
	}
	return !n->is_bad && expand_text(ld, n->text, false, n->place, ret);
}

static void check_name(struct loader *ld, str name, struct place place)
{
	bool is_good = name.n > 0;

	for (size_t i = 0; i < name.n; i++)
		is_good &= (name.p[i] >= 'a' && name.p[i] <= 'z') || name.p[i] == '_' ||
			   (i && name.p[i] >= '0' && name.p[i] <= '9');
	if (!is_good)
		fault_at(ld, place,
			"databases: the name \"" STR_FMT
			"\" may have small letters, digits and _ only, no digit first",
			STR_ARG(name));
}

static void read_backup(struct loader *ld, const struct node *n, struct database_draft *draft)
{
	static const struct row row = {.name = STR_INIT("backup"), .type = TYPE_BOOL};

	draft->says_backup = value_read(ld, &row, n, &draft->has_backup);
}

static void read_required(struct loader *ld, const struct node *n, struct database_draft *draft)
{
	static const struct row row = {.name = STR_INIT("required"), .type = TYPE_BOOL};

	draft->says_required = value_read(ld, &row, n, &draft->is_required);
}

static void read_path(struct loader *ld, const struct node *n, struct database_draft *draft)
{
	if (read_part(ld, n, &draft->path) && !relative_path_is_safe(draft->path))
		fault_at(ld, n->place,
			"databases: path: \"" STR_FMT
			"\" must be within the tenant's directory, without . and ..",
			STR_ARG(draft->path));
}

static void read_env(struct loader *ld, const struct node *n, struct database_draft *draft)
{
	if (read_part(ld, n, &draft->env) && draft->env.n && !env_name_is_legal(draft->env))
		fault_at(ld, n->place, "databases: env: \"" STR_FMT "\" is no name of a variable",
			STR_ARG(draft->env));
}

static void read_url(struct loader *ld, const struct node *n, struct database_draft *draft)
{
	if (read_part(ld, n, &draft->url) && str_find(draft->url, STR("{path}")) < 0)
		fault_at(ld, n->place, "databases: url: {path} is missing");
}

static void read_parts(struct loader *ld, const struct node *map, struct database_draft *draft)
{
	static const char *const keys[] = {
		"name", "path", "env", "url", "backup", "required", NULL};

	node_foreach(n, map)
	{
		str key = n->key->text;

		if (str_eq(key, STR("name")))
			(void)!read_part(ld, n, &draft->name);
		else if (str_eq(key, STR("path")))
			read_path(ld, n, draft);
		else if (str_eq(key, STR("env")))
			read_env(ld, n, draft);
		else if (str_eq(key, STR("url")))
			read_url(ld, n, draft);
		else if (str_eq(key, STR("backup")))
			read_backup(ld, n, draft);
		else if (str_eq(key, STR("required")))
			read_required(ld, n, draft);
		else
			fault_unknown_key(ld, n->key, NULL, keys);
	}
}

/* An entry of the list {name, …}, or of the map name → {…} or null. */
static bool read_one(struct loader *ld, const struct node *n, struct database_draft *draft)
{
	draft->place = n->key ? n->key->place : n->place;
	if (n->key) {
		draft->name = arena_dup(ld->arena, n->key->text);
		draft->is_removed = node_is_null(n);
	}
	if (n->kind == NODE_MAP) {
		read_parts(ld, n, draft);
	} else if (!draft->is_removed) {
		if (!n->is_bad)
			fault_at(ld, n->place, "databases: expected a map, not %s",
				node_kind_text(n));
		return false;
	}
	if (!draft->name.p) {
		fault_at(ld, n->place, "databases: a name is missing");
		return false;
	}
	check_name(ld, draft->name, draft->place);
	return true;
}

void databases_read(struct loader *ld, struct app_layer *layer, const struct node *n)
{
	struct database_draft *drafts;

	if (n->kind == NODE_SCALAR) {
		if (!n->is_bad && !node_is_null(n))
			fault_at(ld, n->place, "databases: expected a list or a map, not %s",
				node_kind_text(n));
		return;
	}
	drafts = arena_alloc(ld->arena, (layer->ndrafts + n->count) * sizeof(*drafts));
	if (layer->ndrafts)
		memcpy(drafts, layer->drafts, layer->ndrafts * sizeof(*drafts));
	layer->drafts = drafts;
	layer->databases_place = n->key->place;
	node_foreach(entry, n)
	{
		struct database_draft draft = {0};

		if (read_one(ld, entry, &draft))
			layer->drafts[layer->ndrafts++] = draft;
	}
}

/* The path inside the tenant's directory, from the framework's pattern. */
static str path_of(struct loader *ld, const char *pattern, const struct app_conf *app, str name)
{
	const struct framework_fact facts[] = {{"environment", app->environment}, {"name", name}};
	struct buf out = {0};
	str path;

	framework_fill(pattern, facts, NITEMS(facts), &out);
	path = arena_dup(ld->arena, buf_str(&out));
	buf_done(&out);
	return path;
}

/* The variable that tells the application.  A single application finds its files by itself. */
static str variable_of(struct loader *ld, const struct app_conf *app, str name)
{
	CLEAN_FREE char *variable =
		ld->config->is_single ? NULL : framework_database_variable(app->framework, name);

	return variable ? arena_dup(ld->arena, str_of(variable)) : STR_EMPTY;
}

/* A database that the framework does not define. */
static struct database_conf other_database(struct loader *ld, const struct app_conf *app, str name)
{
	const struct preset *preset = framework_preset(app->framework);

	return (struct database_conf){
		.name = name,
		.path = preset->database_path ? path_of(ld, preset->database_path, app, name)
					      : STR_EMPTY,
		.env = variable_of(ld, app, name),
		.url_template = str_of(preset->url),
		.has_backup = true,
	};
}

static bool is_primary(const struct database_conf *db)
{
	return str_eq(db->name, STR("primary"));
}

static struct database_conf *find_database(struct app_conf *app, str name)
{
	for (size_t i = 0; i < app->ndatabases; i++)
		if (str_eq(app->databases[i].name, name))
			return &app->databases[i];
	return NULL;
}

static void apply_draft(struct loader *ld, struct app_conf *app, const struct database_draft *draft)
{
	struct database_conf *db = find_database(app, draft->name);

	if (draft->is_removed) {
		if (db) {
			size_t after = app->ndatabases - (size_t)(db - app->databases) - 1;

			memmove(db, db + 1, after * sizeof(*db));
			app->ndatabases--;
		}
		return;
	}
	if (!db) {
		db = &app->databases[app->ndatabases++];
		*db = other_database(ld, app, draft->name);
	}
	if (draft->path.p)
		db->path = draft->path;
	if (draft->env.p)
		db->env = draft->env;
	if (draft->url.p)
		db->url_template = draft->url;
	if (draft->says_backup)
		db->has_backup = draft->has_backup;
	if (draft->says_required)
		db->is_required = draft->is_required;
	else if (is_primary(db) || !framework_find_database(app->framework, db->name))
		db->is_required = db->has_backup;
}

static bool names_a_file(str name)
{
	return str_ends(name, STR(".sqlite3")) || str_ends(name, STR(".sqlite")) ||
	       str_ends(name, STR(".db"));
}

/* `database:` of a route: the name of the primary's file, or a path inside the tenant's
 * directory. */
static void apply_primary(struct loader *ld, struct app_layer *layer)
{
	struct app_conf *app = layer->conf;
	struct database_conf *db = find_database(app, STR("primary"));
	str name = layer->primary_name;
	str folder = STR("storage/");

	if (!name.p)
		return;
	if (!db) {
		db = &app->databases[app->ndatabases++];
		*db = other_database(ld, app, STR("primary"));
		db->env = str_of(framework_of_routes()->database_variable);
		db->url_template = str_of(framework_of_routes()->url);
	} else if (db->path.n) {
		const char *slash = memrchr(db->path.p, '/', db->path.n);

		folder = str_slice(db->path, 0, slash ? (size_t)(slash + 1 - db->path.p) : 0);
	}
	db->path = str_of(arena_printf(ld->arena, STR_FMT STR_FMT "%s",
		STR_ARG(str_find_char(name, '/') >= 0 ? STR_EMPTY : folder), STR_ARG(name),
		names_a_file(name) ? "" : ".sqlite3"));
}

bool databases_equal(const struct app_conf *a, const struct app_conf *b)
{
	if (a->ndatabases != b->ndatabases)
		return false;
	for (size_t i = 0; i < a->ndatabases; i++) {
		const struct database_conf *x = &a->databases[i], *y = &b->databases[i];

		if (!str_eq(x->name, y->name) || !str_eq(x->path, y->path) ||
			!str_eq(x->env, y->env) || !str_eq(x->url_template, y->url_template) ||
			x->has_backup != y->has_backup || x->is_required != y->is_required)
			return false;
	}
	return true;
}

/* Each needs its own file and its own variable. */
static void check_databases(struct loader *ld, const struct app_layer *layer)
{
	const struct app_conf *app = layer->conf;
	struct place place = layer->databases_place;

	for (size_t i = 0; i < app->ndatabases; i++) {
		const struct database_conf *db = &app->databases[i];

		if (!db->path.n)
			fault_at(ld, place, "databases: " STR_FMT ": a path is missing",
				STR_ARG(db->name));
		for (size_t j = 0; j < i; j++) {
			if (str_eq(db->path, app->databases[j].path))
				fault_at(ld, place,
					"databases: " STR_FMT " and " STR_FMT " are the same file",
					STR_ARG(app->databases[j].name), STR_ARG(db->name));
			if (db->env.n && str_eq(db->env, app->databases[j].env))
				fault_at(ld, place,
					"databases: " STR_FMT " and " STR_FMT
					" are told in the same variable",
					STR_ARG(app->databases[j].name), STR_ARG(db->name));
		}
	}
}

static struct database_conf known_database(
	struct loader *ld, const struct app_conf *app, const struct framework_database *known)
{
	str name = str_of(known->name);
	struct database_conf db = {
		.name = name,
		.path = path_of(ld, known->path, app, name),
		.env = variable_of(ld, app, name),
		.url_template = str_of(framework_preset(app->framework)->url),
		.has_backup = known->has_backup,
	};

	/* An application may do without what its framework offers; with a backup, a missing one
	 * would seem to be kept. */
	db.is_required = is_primary(&db) && ld->config->backup.url.n && !ld->config->is_single;
	return db;
}

void databases_derive(struct loader *ld, struct app_layer *layer)
{
	struct app_conf *app = layer->conf;
	const struct framework_database *known = framework_preset(app->framework)->databases;
	size_t nknown = 0;

	while (known && known[nknown].name)
		nknown++;
	app->databases =
		arena_alloc(ld->arena, (nknown + layer->ndrafts + 1) * sizeof(*app->databases));
	app->ndatabases = nknown;
	for (size_t i = 0; i < nknown; i++)
		app->databases[i] = known_database(ld, app, &known[i]);
	for (size_t i = 0; i < layer->ndrafts; i++)
		apply_draft(ld, app, &layer->drafts[i]);
	apply_primary(ld, layer);
	if (!layer->parent || !databases_equal(app, layer->parent->conf))
		check_databases(ld, layer);
}
