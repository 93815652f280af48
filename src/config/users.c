/* users.c - the form `users:`: user → settings and tenants. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "config/config_int.h"

static const char *const user_keys[] = {SCOPE_KEYS, "tenants", NULL};
static const char *const tenant_keys[] = {SCOPE_KEYS, NULL};

static struct user_conf *add_user(struct loader *ld, const struct node *entry)
{
	struct user_conf *user = arena_zalloc(ld->arena, sizeof(*user));

	if (ld->nusers == ld->users_cap) {
		ld->users_cap = MAX(ld->users_cap * 2, (size_t)16);
		ld->users = xrealloc(ld->users, ld->users_cap * sizeof(*ld->users));
	}
	ld->users[ld->nusers++] = user;
	user->name = arena_dup(ld->arena, entry->key->text);
	user->place = entry->key->place;
	return user;
}

static const struct setting_location *keep_location(struct loader *ld, const struct scope *scope)
{
	struct setting_location *location;

	if (!scope->has_location)
		return NULL;
	location = arena_alloc(ld->arena, sizeof(*location));
	*location = scope->location;
	return location;
}

/* One entry of `tenants`: a name in a list, or name → nothing or settings in a map. */
static void read_tenant(struct loader *ld, const struct user_conf *user, const struct node *n)
{
	const struct node *name = n->key ? n->key : n;
	struct scope scope = {.parent = user->layer};
	const struct app_layer *layer;

	if (name->kind != NODE_SCALAR || name->is_bad || (!n->key && node_is_null(n))) {
		if (!name->is_bad)
			fault_at(ld, name->place, "tenants: expected the name of a tenant, not %s",
				node_kind_text(name));
		return;
	}
	if (n->key && n->kind == NODE_MAP)
		node_foreach(entry, n) if (!scope_read_entry(ld, &scope, entry))
			fault_unknown_key(ld, entry->key, &sections[SECTION_APP], tenant_keys);
	if (n->key && n->kind != NODE_MAP && !node_is_null(n) && !n->is_bad)
		fault_at(ld, n->place, "tenant " STR_FMT ": expected a map of its settings, not %s",
			STR_ARG(name->text), node_kind_text(n));
	layer = scope_finish(ld, &scope);
	if (!name_is_legal(ld, name->text, "a tenant", name->place))
		return;
	tenant_add(ld, &(struct tenant_spec){.user = user->name,
			       .rest = name->text,
			       .owner = user,
			       .layer = layer,
			       .location = keep_location(ld, &scope),
			       .slot = scope.slot,
			       .place = name->place});
}

static void read_tenants(
	struct loader *ld, const struct user_conf *user, const struct node *tenants)
{
	if (tenants->kind == NODE_SCALAR) {
		if (!tenants->is_bad && !node_is_null(tenants))
			fault_at(ld, tenants->place, "tenants: expected a list or a map, not %s",
				node_kind_text(tenants));
		return;
	}
	node_foreach(n, tenants) read_tenant(ld, user, n);
}

/* Returns the entry `tenants`, or NULL. */
static const struct node *read_settings(
	struct loader *ld, struct scope *scope, const struct node *map)
{
	const struct node *tenants = NULL;

	node_foreach(entry, map)
	{
		if (str_eq(entry->key->text, STR("tenants")))
			tenants = entry;
		else if (!scope_read_entry(ld, scope, entry))
			fault_unknown_key(ld, entry->key, &sections[SECTION_APP], user_keys);
	}
	return tenants;
}

static void read_user(struct loader *ld, const struct node *entry)
{
	struct scope scope = {.parent = &ld->config->private->root};
	struct user_conf *user = add_user(ld, entry);
	const struct node *tenants = NULL;
	bool is_legal = name_is_legal(ld, user->name, "a user", user->place);
	size_t before = ld->ntenants;

	if (is_legal && str_find_char(user->name, '/') >= 0)
		fault_at(ld, user->place,
			"a user is one segment of a path; \"" STR_FMT "\" has several",
			STR_ARG(user->name));
	if (entry->kind == NODE_MAP)
		tenants = read_settings(ld, &scope, entry);
	else if (!node_is_null(entry) && !entry->is_bad)
		fault_at(ld, entry->place, "user " STR_FMT ": expected a map, not %s",
			STR_ARG(user->name), node_kind_text(entry));
	user->layer = scope_finish(ld, &scope);
	user->location = scope.location;
	if (tenants)
		read_tenants(ld, user, tenants);
	else
		tenant_add(ld, &(struct tenant_spec){.user = user->name,
				       .rest = STR_EMPTY,
				       .owner = user,
				       .layer = user->layer,
				       .slot = scope.slot,
				       .place = user->place});
	user->ntenants = ld->ntenants - before;
}

void users_read(struct loader *ld, const struct node *map)
{
	if (!section_expects_map(ld, map))
		return;
	node_foreach(entry, map) read_user(ld, entry);
}
