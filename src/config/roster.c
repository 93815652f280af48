/* roster.c - what the roster says, into the tree of the file: users, tenants, machines.
 *
 * It is done before anything is read, so that one strict loader reads both.  What the roster says
 * of something that the file does not have (any more) changes nothing, and is reported. */
/* SPDX-License-Identifier: MIT */
#include "base/number.h"
#include "config/config_int.h"

enum how { HOW_NEW, HOW_CHANGE, HOW_REMOVED };

/* One entry of the roster. */
struct said {
	const struct node *name;
	struct node *settings; /* or NULL */
	enum how how;
	bool has_tenants;
	struct place place;
};

struct overlay {
	struct loader *ld;
	struct node *root, *users, *machines; /* of the file; NULL: it has none */
	struct map user_index, tenant_index, machine_index;
};

static struct node *child(const struct node *map, str key)
{
	for (struct node *n = map ? map->first : NULL; n; n = n->next)
		if (n->key && str_eq(n->key->text, key))
			return n;
	return NULL;
}

/* --- nodes --- */

static struct node *make_node(struct overlay *o, str key, enum node_kind kind, struct place place)
{
	struct node *n = arena_zalloc(&o->ld->tree, sizeof(*n));

	n->kind = kind;
	n->place = place;
	n->text = STR_EMPTY;
	n->key = arena_zalloc(&o->ld->tree, sizeof(*n->key));
	n->key->kind = NODE_SCALAR;
	n->key->place = place;
	n->key->text = key;
	return n;
}

/* The order means nothing: at the front it takes no time. */
static void insert(struct node *container, struct node *n)
{
	n->next = container->first;
	container->first = n;
	container->count++;
}

static void set_place(struct node *n, struct place place)
{
	n->place = place;
	if (n->key)
		n->key->place = place;
	if (n->kind == NODE_SCALAR)
		return;
	for (struct node *inner = n->first; inner; inner = inner->next)
		set_place(inner, place);
}

static void remove_child(struct node *map, const struct node *n)
{
	struct node **link = &map->first;

	while (*link != n)
		link = &(*link)->next;
	*link = n->next;
	map->count--;
}

static void take_out_dropped(struct node *container)
{
	struct node **link = &container->first;

	while (*link) {
		struct node *n = *link;

		if (n->is_dropped) {
			*link = n->next;
			container->count--;
		} else {
			link = &n->next;
		}
	}
}

/* False for what the loader will refuse. */
static bool become_map(struct node *n)
{
	if (n->kind == NODE_SCALAR && !n->is_bad && node_is_null(n))
		n->kind = NODE_MAP;
	return n->kind == NODE_MAP;
}

/* --- settings --- */

static bool is_same_setting(str a, str b)
{
	bool a_is_machine = str_eq(a, STR("machine")) || str_eq(a, STR("instance"));
	bool b_is_machine = str_eq(b, STR("machine")) || str_eq(b, STR("instance"));

	return str_eq(a, b) || (a_is_machine && b_is_machine);
}

static struct node *find_setting(const struct node *map, str key)
{
	for (struct node *n = map->first; n; n = n->next)
		if (is_same_setting(n->key->text, key))
			return n;
	return NULL;
}

static void join(struct node *into, struct node *from)
{
	struct node *next;

	for (struct node *n = from->first; n; n = next) {
		struct node *before = child(into, n->key->text);

		next = n->next;
		if (before)
			remove_child(into, before);
		insert(into, n);
	}
}

/* null: what further out says applies; a map is joined with the file's. */
static void set_settings(struct node *map, struct node *settings)
{
	struct node *next;

	for (struct node *n = settings ? settings->first : NULL; n; n = next) {
		struct node *before = find_setting(map, n->key->text);

		next = n->next;
		if (before && before->kind == NODE_MAP && n->kind == NODE_MAP) {
			join(before, n);
			continue;
		}
		if (before)
			remove_child(map, before);
		if (!node_is_null(n))
			insert(map, n);
	}
}

static struct node *need_tenants(struct overlay *o, struct node *user, struct place place)
{
	struct node *tenants = child(user, STR("tenants"));

	if (!tenants) {
		tenants = make_node(o, STR("tenants"), NODE_MAP, place);
		insert(user, tenants);
	}
	return tenants;
}

/* --- the roster's own form --- */

static bool read_how(const struct node *n, enum how *ret)
{
	static const str words[] = {
		STR_INIT("new"), STR_INIT("change"), STR_INIT("removed")}; /* of enum how */

	for (unsigned i = 0; n && i < NITEMS(words); i++) {
		if (!str_eq(n->text, words[i]))
			continue;
		*ret = (enum how)i;
		return true;
	}
	return false;
}

static bool read_said(struct overlay *o, struct node *n, struct said *ret)
{
	const struct node *version = child(n, STR("version"));
	struct said said = {.name = n->key,
		.settings = child(n, STR("settings")),
		.has_tenants = child(n, STR("tenants"))};
	uint64_t number = 0;

	if (n->kind != NODE_MAP || !version || !read_how(child(n, STR("how")), &said.how) ||
		number_parse(version->text, ROSTER_LINES - 1, &number) < 0 ||
		(said.settings && said.settings->kind != NODE_MAP)) {
		fault_at(o->ld, (struct place){PLACE_FILE, ROSTER_LINES, 0},
			"what it says of " STR_FMT " cannot be understood", STR_ARG(n->key->text));
		return false;
	}
	said.place = (struct place){PLACE_FILE, ROSTER_LINES | (unsigned)number, 0};
	if (said.settings)
		set_place(said.settings, said.place);
	*ret = said;
	return true;
}

static void warn_missing(struct overlay *o, const char *kind, const struct said *said)
{
	warn_at(o->ld, said->place,
		"%s " STR_FMT " is changed here, but is not there: nothing is changed", kind,
		STR_ARG(said->name->text));
}

/* --- users and machines --- */

static void index_children(struct map *index, const struct node *container)
{
	for (struct node *n = container ? container->first : NULL; n; n = n->next)
		map_put(index, n->key->text, n);
}

/* Nothing of what the file says of it. */
static struct node *renew(struct overlay *o, struct node *container, struct map *index,
	const struct said *said, struct node *before)
{
	struct node *n = make_node(o, said->name->text, NODE_MAP, said->place);

	if (before)
		before->is_dropped = true;
	insert(container, n);
	map_put(index, n->key->text, n);
	return n;
}

static void overlay_entry(struct overlay *o, struct node *container, struct map *index,
	const char *kind, const struct said *said)
{
	struct node *n = map_get(index, said->name->text);

	switch (said->how) {
	case HOW_REMOVED:
		if (n)
			n->is_dropped = true;
		map_remove(index, said->name->text);
		return;
	case HOW_NEW:
		n = renew(o, container, index, said, n);
		break;
	case HOW_CHANGE:
		if (!n) {
			warn_missing(o, kind, said);
			return;
		}
		break;
	}
	if (!become_map(n))
		return;
	set_settings(n, said->settings);
	if (said->has_tenants)
		need_tenants(o, n, said->place);
}

static void overlay_section(struct overlay *o, struct node *container, struct map *index,
	const char *kind, const struct node *entries)
{
	index_children(index, container);
	for (struct node *n = entries ? entries->first : NULL; n; n = n->next) {
		struct said said;

		if (read_said(o, n, &said))
			overlay_entry(o, container, index, kind, &said);
	}
	take_out_dropped(container);
}

/* --- tenants --- */

/* "user/tenant" -> the tenant's node, which has no key in a list of names. */
static void index_tenants(struct overlay *o)
{
	for (const struct node *user = o->users->first; user; user = user->next) {
		const struct node *tenants = child(user, STR("tenants"));

		if (user->kind != NODE_MAP || !tenants || tenants->kind == NODE_SCALAR)
			continue;
		for (struct node *n = tenants->first; n; n = n->next) {
			const struct node *name = n->key ? n->key : n;

			map_put(&o->tenant_index,
				str_of(arena_printf(&o->ld->tree, STR_FMT "/" STR_FMT,
					STR_ARG(user->key->text), STR_ARG(name->text))),
				n);
		}
	}
}

/* A name in a list becomes one with settings. */
static void need_key(struct overlay *o, struct node *n)
{
	if (n->key)
		return;
	n->key = make_node(o, n->text, NODE_SCALAR, n->place)->key;
	n->kind = NODE_MAP;
	n->first = NULL;
	n->count = 0;
}

/* The tenants of the user that it belongs to, or NULL. */
static struct node *home_of(struct overlay *o, const struct said *said, str *ret_name)
{
	str rest = said->name->text, name = STR_EMPTY;
	struct node *user, *tenants;

	str_split(&rest, '/', &name);
	*ret_name = rest;
	user = map_get(&o->user_index, name);
	tenants = user && user->kind == NODE_MAP ? child(user, STR("tenants")) : NULL;
	return tenants && (tenants->kind == NODE_LIST || become_map(tenants)) ? tenants : NULL;
}

static void overlay_tenant(struct overlay *o, const struct said *said)
{
	struct node *n = map_get(&o->tenant_index, said->name->text), *home;
	str name;

	home = home_of(o, said, &name);
	if (n && said->how != HOW_CHANGE)
		n->is_dropped = true;
	if (said->how == HOW_REMOVED)
		return;
	if (!home || (!n && said->how == HOW_CHANGE)) {
		warn_missing(o, "tenant", said);
		return;
	}
	if (said->how == HOW_NEW) {
		n = make_node(o, name, NODE_MAP, said->place);
		insert(home, n);
	}
	need_key(o, n);
	if (become_map(n))
		set_settings(n, said->settings);
}

static void overlay_tenants(struct overlay *o, const struct node *entries)
{
	if (!entries || !entries->first)
		return;
	index_tenants(o);
	for (struct node *n = entries->first; n; n = n->next) {
		struct said said;

		if (read_said(o, n, &said))
			overlay_tenant(o, &said);
	}
	for (struct node *user = o->users->first; user; user = user->next) {
		struct node *tenants = child(user, STR("tenants"));

		if (user->kind == NODE_MAP && tenants && tenants->kind != NODE_SCALAR)
			take_out_dropped(tenants);
	}
}

/* --- all of it --- */

static struct node *read_roster(struct loader *ld)
{
	const char *file = ld->file;
	struct node *n;

	ld->file = "roster";
	n = yaml_parse(ld, ld->source->roster, true);
	ld->file = file;
	return n;
}

/* The section of the file, as a map, or NULL if the loader will refuse it. */
static struct node *need_section(struct overlay *o, str key, const struct node *entries)
{
	struct node *section = child(o->root, key);

	if (!section && (!entries || !entries->first))
		return NULL;
	if (!section) {
		section = make_node(o, key, NODE_MAP, (struct place){PLACE_FILE, ROSTER_LINES, 0});
		insert(o->root, section);
	}
	return become_map(section) ? section : NULL;
}

/* Users would take the place of the one application. */
static bool is_for_tenants(const struct node *root)
{
	const struct node *routes = child(root, STR("routes"));

	return child(root, STR("users")) || (routes && routes->count);
}

static void overlay_users(struct overlay *o, const struct node *said)
{
	const struct node *users = child(said, STR("users")),
			  *tenants = child(said, STR("tenants"));
	bool has_any = (users && users->first) || (tenants && tenants->first);

	if (has_any && !is_for_tenants(o->root)) {
		fault_at(o->ld, (struct place){PLACE_FILE, 0, 0},
			"serves a single application, but the roster has users: write `users: {}` to "
			"serve them");
		return;
	}
	o->users = need_section(o, STR("users"), users);
	if (!o->users)
		return;
	overlay_section(o, o->users, &o->user_index, "user", users);
	overlay_tenants(o, tenants);
}

struct node *roster_overlay(struct loader *ld, struct node *root)
{
	struct overlay o = {.ld = ld, .root = root};
	const struct node *said, *machines;

	if (!ld->source->roster.n)
		return root;
	said = read_roster(ld);
	if (!said || (root && root->kind != NODE_MAP))
		return root;
	if (!root)
		o.root = make_node(&o, STR_EMPTY, NODE_MAP, (struct place){PLACE_FILE, 0, 0});
	overlay_users(&o, said);
	machines = child(said, STR("machines"));
	o.machines = need_section(&o, STR("machines"), machines);
	if (o.machines)
		overlay_section(&o, o.machines, &o.machine_index, "machine", machines);
	map_done(&o.user_index);
	map_done(&o.tenant_index);
	map_done(&o.machine_index);
	return o.root;
}
