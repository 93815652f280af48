/* routes.c - the prototype's form `routes:`: a list of tenants with endpoint, name, database,
 * region and instance. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

static const char *const route_keys[] = {SCOPE_KEYS, "name", "endpoint", "database", NULL};

struct route_draft {
	struct scope scope;
	str name, endpoint, database; /* p == NULL: not given */
	struct place endpoint_place, database_place;
};

/* No value (`endpoint:`) is an empty text here. */
static void read_optional_text(struct loader *ld, const struct node *n, str *value)
{
	if (n->is_bad)
		return;
	if (n->kind != NODE_SCALAR)
		fault_at(ld, n->place, STR_FMT ": expected a text, not %s", STR_ARG(n->key->text),
			node_kind_text(n));
	else if (node_is_null(n))
		*value = STR_EMPTY;
	else
		(void)!expand_text(ld, n->text, false, n->place, value);
}

static void read_entry(struct loader *ld, struct route_draft *route, const struct node *n)
{
	str key = n->key->text;

	if (str_eq(key, STR("name"))) {
		read_optional_text(ld, n, &route->name);
	} else if (str_eq(key, STR("endpoint"))) {
		route->endpoint_place = n->place;
		read_optional_text(ld, n, &route->endpoint);
	} else if (str_eq(key, STR("database"))) {
		route->database_place = n->place;
		read_optional_text(ld, n, &route->database);
	} else if (!scope_read_entry(ld, &route->scope, n)) {
		fault_unknown_key(ld, n->key, &sections[SECTION_APP], route_keys);
	}
}

static str trim_slashes(str path)
{
	while (str_starts(path, STR("/")))
		path = str_slice(path, 1, path.n);
	while (str_ends(path, STR("/")))
		path.n--;
	return path;
}

static void use_database(struct loader *ld, struct route_draft *route)
{
	if (!route->database.p || !route->database.n)
		return;
	if (!relative_path_is_safe(route->database)) {
		fault_at(ld, route->database_place,
			"database: \"" STR_FMT
			"\" must be a name, or a path within the tenant's directory",
			STR_ARG(route->database));
		return;
	}
	if (!route->scope.own)
		route->scope.own = layer_new(ld, route->scope.parent);
	route->scope.own->primary_name = route->database;
	route->scope.own->databases_place = route->database_place;
}

static void check_label(struct loader *ld, str label, struct place place)
{
	if (label.p && utf8_valid_length(label) == label.n && memchr(label.p, '\n', label.n))
		fault_at(ld, place, "name: must be one line");
}

static void read_route(struct loader *ld, const struct node *map)
{
	struct route_draft route = {
		.scope.parent = &ld->config->private->root, .endpoint_place = map->place};
	struct tenant_spec spec = {.place = map->place};
	struct setting_location *location = NULL;
	str path, user = STR_EMPTY;

	if (map->kind != NODE_MAP) {
		if (!map->is_bad)
			fault_at(ld, map->place, "routes: expected a map, not %s",
				node_kind_text(map));
		return;
	}
	node_foreach(n, map) read_entry(ld, &route, n);
	check_label(ld, route.name, map->place);
	use_database(ld, &route);
	spec.layer = scope_finish(ld, &route.scope);
	path = route.endpoint.p ? trim_slashes(route.endpoint) : STR_EMPTY;
	if (path.n && !name_is_legal(ld, path, "an endpoint", route.endpoint_place))
		return;
	if (route.scope.has_location) {
		location = arena_alloc(ld->arena, sizeof(*location));
		*location = route.scope.location;
	}
	spec.location = location;
	str_split(&path, '/', &user);
	spec.user = user;
	spec.rest = path;
	spec.label = route.name;
	spec.slot = route.scope.slot;
	tenant_add(ld, &spec);
}

void routes_read(struct loader *ld, const struct node *list)
{
	if (list->kind != NODE_LIST) {
		if (!list->is_bad && !node_is_null(list))
			fault_at(ld, list->place, "routes: expected a list, not %s",
				node_kind_text(list));
		return;
	}
	node_foreach(map, list) read_route(ld, map);
}
