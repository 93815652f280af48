/* databases.c - the databases of a tenant: those of its framework, then what `databases:` and
 * `database:` say. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

/* %e is the environment. */
struct known {
	str name, path, env;
	bool has_backup;
};
static const struct known rails[] = {
	{STR_INIT("primary"), STR_INIT("storage/%e.sqlite3"), STR_INIT("DATABASE_URL"), true},
	{STR_INIT("cache"), STR_INIT("storage/%e_cache.sqlite3"), STR_INIT("CACHE_DATABASE_URL"),
		false},
	{STR_INIT("queue"), STR_INIT("storage/%e_queue.sqlite3"), STR_INIT("QUEUE_DATABASE_URL"),
		true},
	{STR_INIT("cable"), STR_INIT("storage/%e_cable.sqlite3"), STR_INIT("CABLE_DATABASE_URL"),
		false},
};
static const struct known node[] = {
	{STR_INIT("primary"), STR_INIT("storage/%e.sqlite3"), STR_INIT("DATABASE_URL"), true},
};
/* How the framework writes the address of a file. */
static const struct dialect {
	const struct known *known;
	size_t nknown;
	str url;
} dialects[] = {
	[FRAMEWORK_RAILS] = {rails, NITEMS(rails), STR_INIT("sqlite3://{path}")},
	[FRAMEWORK_NODE] = {node, NITEMS(node), STR_INIT("file:{path}")},
	[FRAMEWORK_GENERIC] = {NULL, 0, STR_INIT("{path}")},
};
static_assert(NITEMS(dialects) == FRAMEWORK_GENERIC + 1, "a dialect for each framework");

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

static str fill(struct loader *ld, str pattern, str environment)
{
	ssize_t at = str_find(pattern, STR("%e"));

	if (at < 0)
		return pattern;
	return str_of(arena_printf(ld->arena, STR_FMT STR_FMT STR_FMT, (int)at, pattern.p,
		STR_ARG(environment), STR_ARG(str_slice(pattern, (size_t)at + 2, pattern.n))));
}

static str upper_url_name(struct loader *ld, str name)
{
	char *text = arena_printf(ld->arena, STR_FMT "_DATABASE_URL", STR_ARG(name));

	for (char *p = text; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	return str_of(text);
}

/* A database that the framework does not know of itself. */
static struct database_conf other_database(struct loader *ld, const struct app_conf *app, str name)
{
	bool is_primary = str_eq(name, STR("primary"));
	struct database_conf db = {
		.name = name, .path = STR_EMPTY, .env = STR_EMPTY, .has_backup = true};

	db.url_template = dialects[app->framework].url;
	if (app->framework == FRAMEWORK_GENERIC)
		return db;
	if (!ld->config->is_single)
		db.env = is_primary ? STR("DATABASE_URL") : upper_url_name(ld, name);
	db.path = str_of(arena_printf(ld->arena, "storage/" STR_FMT "_" STR_FMT ".sqlite3",
		STR_ARG(app->environment), STR_ARG(name)));
	return db;
}

static bool is_primary(const struct database_conf *db)
{
	return str_eq(db->name, STR("primary"));
}

static struct database_conf *find(struct app_conf *app, str name)
{
	for (size_t i = 0; i < app->ndatabases; i++)
		if (str_eq(app->databases[i].name, name))
			return &app->databases[i];
	return NULL;
}

static void apply(struct loader *ld, struct app_conf *app, const struct database_draft *draft)
{
	struct database_conf *db = find(app, draft->name);

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
	else if (is_primary(db) || !database_is_known_name(app->framework, db->name))
		db->is_required = db->has_backup;
}

static bool names_a_file(str name)
{
	return str_ends(name, STR(".sqlite3")) || str_ends(name, STR(".sqlite")) ||
	       str_ends(name, STR(".db"));
}

/* `database:` of a route: the name of the primary's file, or a path within the tenant's directory.
 */
static void apply_primary(struct loader *ld, struct app_layer *layer)
{
	struct app_conf *app = layer->conf;
	struct database_conf *db = find(app, STR("primary"));
	str name = layer->primary_name;
	str folder = STR("storage/");

	if (!name.p)
		return;
	if (!db) {
		db = &app->databases[app->ndatabases++];
		*db = other_database(ld, app, STR("primary"));
		db->env = STR("DATABASE_URL");
		db->url_template = dialects[FRAMEWORK_RAILS].url;
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

/* Each its own file and its own variable. */
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

void databases_derive(struct loader *ld, struct app_layer *layer)
{
	struct app_conf *app = layer->conf;
	const struct dialect *dialect = &dialects[app->framework];

	app->databases = arena_alloc(
		ld->arena, (dialect->nknown + layer->ndrafts + 1) * sizeof(*app->databases));
	app->ndatabases = 0;
	for (size_t i = 0; i < dialect->nknown; i++) {
		const struct known *known = &dialect->known[i];

		/* An application that is alone finds its files by itself. */
		app->databases[app->ndatabases++] = (struct database_conf){
			.name = known->name,
			.path = fill(ld, known->path, app->environment),
			.env = ld->config->is_single ? STR_EMPTY : known->env,
			.url_template = dialect->url,
			.has_backup = known->has_backup,
		};
		/* An application may do without what its framework offers; with a backup it would
		 * look kept. */
		app->databases[i].is_required = is_primary(&app->databases[i]) &&
						ld->config->backup.url.n && !ld->config->is_single;
	}
	for (size_t i = 0; i < layer->ndrafts; i++)
		apply(ld, app, &layer->drafts[i]);
	apply_primary(ld, layer);
	if (!layer->parent || !databases_equal(app, layer->parent->conf))
		check_databases(ld, layer);
}

bool database_is_known(enum framework framework, size_t i, str *ret_name)
{
	if (i >= dialects[framework].nknown)
		return false;
	*ret_name = dialects[framework].known[i].name;
	return true;
}

bool database_is_known_name(enum framework framework, str name)
{
	str known;

	for (size_t i = 0; database_is_known(framework, i, &known); i++)
		if (str_eq(known, name))
			return true;
	return false;
}
