/* tenants.c - all tenants together: names, directories, overlaps, fingerprints. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/number.h"
#include "config/config_int.h"

#define MAX_SEGMENT 128u
#define MAX_ID	    512u

bool config_segment_is_legal(str segment)
{
	if (!segment.n || segment.n > MAX_SEGMENT || segment.p[0] == '.' || segment.p[0] == '-')
		return false;
	for (size_t i = 0; i < segment.n; i++) {
		char c = char_lower(segment.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' &&
			c != '~' && c != '-')
			return false;
	}
	return true;
}

bool name_is_legal(struct loader *ld, str name, const char *what, struct place place)
{
	str rest = name, segment;
	bool is_legal = name.n > 0 && name.n <= MAX_ID && !str_ends(name, STR("/"));

	while (is_legal && str_split(&rest, '/', &segment))
		is_legal = config_segment_is_legal(segment);
	if (!is_legal)
		fault_at(ld, place,
			"\"" STR_FMT
			"\" cannot be %s: segments of a path have letters, digits and . _ ~ - "
			"only, and do not begin with . or -",
			STR_ARG(name), what);
	return is_legal;
}

static struct tenant_draft *add_draft(struct loader *ld)
{
	if (ld->ntenants == ld->tenants_cap) {
		ld->tenants_cap = MAX(ld->tenants_cap * 2, (size_t)16);
		ld->tenants = xrealloc(ld->tenants, ld->tenants_cap * sizeof(*ld->tenants));
	}
	ld->tenants[ld->ntenants] = (struct tenant_draft){0};
	return &ld->tenants[ld->ntenants++];
}

/* Below a tenant's own host, only the part of the path that is nearer than the host counts. */
static str prefix_of(const struct tenant_spec *spec, str id_with_slash)
{
	if (!spec->user.n || (spec->location && spec->location->host_line))
		return STR_EMPTY;
	if (!spec->owner || !spec->owner->location.host_line)
		return id_with_slash;
	return spec->rest.n ? str_slice(id_with_slash, spec->user.n + 1, id_with_slash.n)
			    : STR_EMPTY;
}

/* The nearest level that names a machine or a region decides both. */
static void set_location(struct tenant_conf *t, const struct tenant_spec *spec)
{
	const struct setting_location *own = spec->location,
				      *user = spec->owner ? &spec->owner->location : NULL;
	const struct setting_location *place =
		own && (own->machine_line || own->region_line) ? own : user;

	t->lives_on = STR_EMPTY;
	t->machine = place && place->machine_line ? place->machine : STR_EMPTY;
	t->region = place && place->region_line ? place->region : STR_EMPTY;
	t->host = own && own->host_line	    ? own->host
		  : user && user->host_line ? user->host
					    : STR_EMPTY;
}

/* Tells it from others on the scoreboard; never 0. */
static uint64_t owner_of(str id)
{
	uint64_t hash = hash_keyed(id, CONFIG_HASH_KEYS);

	return hash ? hash : 1;
}

void tenant_add(struct loader *ld, const struct tenant_spec *spec)
{
	struct tenant_draft *draft = add_draft(ld);
	struct tenant_conf *t = &draft->conf;
	str storage = ld->config->server.storage;
	str tail = spec->user.n ? spec->user : STR("main");
	/* One string for all: "<storage>/<user>/<rest>". */
	str dir = str_of(arena_printf(ld->arena, STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(storage),
		STR_ARG(tail), spec->rest.n ? "/" : "", STR_ARG(spec->rest)));
	str id_with_slash = str_slice(dir, storage.n, dir.n);

	t->slot = spec->slot;
	t->dir = dir;
	t->id = str_slice(id_with_slash, 1, id_with_slash.n);
	t->owner = owner_of(t->id);
	t->user = spec->owner ? spec->owner->name : arena_dup(ld->arena, spec->user);
	t->name = spec->label.p ? spec->label : str_slice(t->id, t->id.n - spec->rest.n, t->id.n);
	t->prefix = prefix_of(spec, id_with_slash);
	set_location(t, spec);
	t->app = spec->layer->conf;
	draft->private =
		(struct tenant_private){spec->owner, spec->layer, spec->location, spec->place};
}

void single_add(struct loader *ld)
{
	struct tenant_draft *draft = add_draft(ld);
	struct app_layer *root = &ld->config->private->root;

	draft->conf = (struct tenant_conf){
		.slot = ld->single_slot,
		.id = STR("main"),
		.owner = owner_of(STR("main")),
		.user = STR_EMPTY,
		.name = STR_EMPTY,
		.prefix = STR_EMPTY,
		.host = STR_EMPTY,
		.machine = STR_EMPTY,
		.region = STR_EMPTY,
		.lives_on = STR_EMPTY,
		.dir = root->conf->root,
		.app = root->conf,
	};
	draft->private = (struct tenant_private){.layer = root};
}

static str lower(struct loader *ld, str s)
{
	char *copy = arena_alloc(&ld->tree, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		copy[i] = char_lower(s.p[i]);
	copy[s.n] = 0;
	return (str){copy, s.n};
}

static bool is_before(struct place a, struct place b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* Two tenants that cannot coexist: the one further down in the file is the fault. */
static void report_pair(struct loader *ld, const struct tenant_draft *a,
	const struct tenant_draft *b, const char *why)
{
	const struct tenant_draft *first = is_before(a->private.place, b->private.place) ? a : b;
	const struct tenant_draft *second = first == a ? b : a;

	fault_at(ld, second->private.place, "tenant " STR_FMT " and tenant " STR_FMT " of %s %s",
		STR_ARG(second->conf.id), STR_ARG(first->conf.id),
		line_text(ld, first->private.place.line), why);
}

static bool begins_with(str path, str segment)
{
	str first = STR_EMPTY;

	str_split(&path, '/', &first);
	return str_eq_nocase(first, segment);
}

/* True if the outer tenant keeps something of its own in the folder of that name in its directory;
 * eight hexadecimal digits are the name of an epoch in a tenant's backup. */
static bool is_used(const struct app_conf *outer, str folder)
{
	uint64_t epoch;

	if (framework_has_private(folder))
		return true;
	for (size_t i = 0; i < outer->private_directories.count; i++)
		if (begins_with(outer->private_directories.items[i], folder))
			return true;
	for (size_t i = 0; i < outer->ndatabases; i++)
		if (begins_with(outer->databases[i].path, folder))
			return true;
	return folder.n == 8 && number_parse_hex(folder, UINT64_MAX, &epoch) == 0;
}

/* A tenant whose path is below another's also lies in its directory: that must not be where the
 * other keeps its own files. */
static void check_nesting(struct loader *ld, const struct map *seen, const struct tenant_draft *t)
{
	str rest = lower(ld, t->conf.id), id = rest, folder;

	while (str_split(&rest, '/', &folder) && rest.n) {
		const struct tenant_draft *outer =
			map_get(seen, str_slice(id, 0, (size_t)(rest.p - id.p - 1)));
		str inner = rest;

		str_split(&inner, '/', &folder);
		if (outer && is_used(outer->conf.app, folder))
			report_pair(ld, t, outer,
				"overlap: one has its directory where the other keeps its files");
	}
}

/* Folders beside those of the tenants in a backup's store. */
static void check_reserved(struct loader *ld, const struct tenant_draft *t)
{
	static const str folders[] = {STR_INIT("_roster"), STR_INIT("_fleet")};

	for (size_t i = 0; i < NITEMS(folders); i++)
		if (begins_with(t->conf.id, folders[i]))
			fault_at(ld, t->private.place,
				"tenant " STR_FMT ": \"" STR_FMT
				"\" is a folder of fly-atc's own where the backups are",
				STR_ARG(t->conf.id), STR_ARG(folders[i]));
}

/* Directories must be separate: no equal ids, and none that some file systems cannot tell apart. */
static void check_ids(struct loader *ld)
{
	struct map seen = {0};

	for (size_t i = 0; i < ld->ntenants; i++) {
		struct tenant_draft *t = &ld->tenants[i], *other;
		str id = lower(ld, t->conf.id);

		other = map_get(&seen, id);
		if (!other)
			map_put(&seen, id, t);
		else if (str_eq(other->conf.id, t->conf.id))
			report_pair(ld, t, other, "are the same");
		else
			report_pair(ld, t, other, "differ in capital letters only");
	}
	for (size_t i = 0; i < ld->ntenants; i++) {
		check_reserved(ld, &ld->tenants[i]);
		check_nesting(ld, &seen, &ld->tenants[i]);
	}
	map_done(&seen);
}

/* The same host and path. */
static void check_hosts(struct loader *ld)
{
	struct map seen = {0};

	for (size_t i = 0; i < ld->ntenants; i++) {
		struct tenant_draft *t = &ld->tenants[i], *other;
		str key;

		if (!t->conf.host.n)
			continue;
		key = str_of(arena_printf(&ld->tree, STR_FMT STR_FMT, STR_ARG(t->conf.host),
			STR_ARG(t->conf.prefix)));
		other = map_put(&seen, key, t);
		if (other)
			report_pair(ld, t, other, "have the same host and path");
	}
	map_done(&seen);
}

static void check_users(struct loader *ld)
{
	struct map seen = {0};

	for (size_t i = 0; i < ld->nusers; i++) {
		const struct user_conf *user = ld->users[i], *other;
		str name = lower(ld, user->name);

		other = map_get(&seen, name);
		if (other)
			fault_at(ld, user->place,
				"user " STR_FMT " and user " STR_FMT
				" of %s differ in capital letters only",
				STR_ARG(user->name), STR_ARG(other->name),
				line_text(ld, other->place.line));
		else
			map_put(&seen, name, ld->users[i]);
	}
	map_done(&seen);
}

static void check_commands(struct loader *ld)
{
	for (size_t i = 0; i < ld->ntenants; i++) {
		const struct tenant_draft *t = &ld->tenants[i];
		struct place place = t->private.place;

		/* What was set but is faulty has already been reported. */
		if (t->conf.app->command.count ||
			t->private.layer->origins[APP_command].kind != ORIGIN_DEFAULT)
			continue;
		if (!place.line)
			place.kind = PLACE_COMMAND_LINE;
		(ld->source->is_only_read ? warn_at : fault_at)(ld, place,
			"tenant " STR_FMT
			" has no command; say `fly-atc %s`, or set command in app:",
			STR_ARG(t->conf.id), framework_preset(t->conf.app->framework)->example);
		return;
	}
}

static void fault_unknown(struct loader *ld, const struct tenant_draft *t, str word)
{
	if (str_starts(word, STR("tenant.")))
		fault_at(ld, t->private.place,
			"tenant " STR_FMT ": ${" STR_FMT "} is the name of none of its databases",
			STR_ARG(t->conf.id), STR_ARG(word));
	else
		fault_at(ld, t->private.place,
			"tenant " STR_FMT ": it is not told the variable " STR_FMT
			", as none of its databases has it, and fly-atc's own environment has none",
			STR_ARG(t->conf.id), STR_ARG(word));
}

/* What command, prepare and env may name of databases and variables is known only with all
 * layers. */
static void check_words(struct loader *ld)
{
	for (size_t i = 0; i < ld->ntenants; i++) {
		const struct tenant_draft *t = &ld->tenants[i];
		bool is_new = !i || t->conf.app != ld->tenants[i - 1].conf.app;
		str word = is_new ? words_unknown(t->conf.app) : STR_EMPTY;

		if (!word.n)
			continue;
		fault_unknown(ld, t, word);
		return;
	}
}

/* --- ports --- */

static struct place place_of_port(const struct tenant_draft *t)
{
	struct value_origin origin = t->private.layer->origins[APP_port];

	return origin.kind == ORIGIN_FILE ? (struct place){PLACE_FILE, origin.at, 1}
					  : t->private.place;
}

/* What would be wrong with it even without other tenants, or NULL. */
static const char *objection_to_port(const struct loader *ld, const struct app_conf *app)
{
	const struct config *c = ld->config;

	if (c->is_single)
		return app->port > 0 ? "is for tenants; that of a single application is "
				       "server: target_port"
				     : NULL;
	if (app->listen == LISTEN_UNIX && app->port != CONFIG_PORT_ANY)
		return "and `listen: unix` exclude each other";
	if (app->listen == LISTEN_FD && app->port == CONFIG_PORT_AUTO)
		return "auto needs `listen: tcp`: of `listen: fd` the port is open before the "
		       "application is";
	if (app->port > 0 && app->port == c->server.http_port)
		return "is http_port too; the application needs another";
	return NULL;
}

static bool said_port_is_alone(
	struct loader *ld, struct tenant_draft **seen, struct tenant_draft *t)
{
	int64_t port = t->conf.app->port;
	CLEAN_FREE char *why = NULL;

	if (!seen[port]) {
		seen[port] = t;
		return true;
	}
	why = xasprintf("have the same port, %lld", (long long)port);
	report_pair(ld, t, seen[port], why);
	return false;
}

static void check_ports(struct loader *ld)
{
	CLEAN_FREE struct tenant_draft **seen = xcalloc(65536, sizeof(struct tenant_draft *));
	const struct app_conf *told = NULL;

	for (size_t i = 0; i < ld->ntenants; i++) {
		struct tenant_draft *t = &ld->tenants[i];
		const struct app_conf *app = t->conf.app;
		const char *objection = objection_to_port(ld, app);

		if (objection && app != told)
			fault_at(ld, place_of_port(t), "port: %s", objection);
		told = objection ? app : told;
		if (!objection && app->port > 0 && !said_port_is_alone(ld, seen, t))
			return;
	}
}

static const uint64_t *said_ports(struct loader *ld)
{
	uint64_t *bits = NULL;

	for (size_t i = 0; i < ld->ntenants && !ld->is_snapshot; i++) {
		int64_t port = ld->tenants[i].conf.app->port;

		if (port <= 0)
			continue;
		if (!bits)
			bits = arena_zalloc(ld->arena, 65536 / 8);
		bits[port / 64] |= (uint64_t)1 << port % 64;
	}
	return bits;
}

static bool has_backup(const struct app_conf *app)
{
	for (size_t i = 0; i < app->ndatabases; i++)
		if (app->databases[i].has_backup)
			return true;
	return false;
}

/* A backup that has nothing to do looks like one that has done everything. */
static void check_backups(struct loader *ld)
{
	const struct tenant_draft *first = NULL;
	size_t n = 0;

	if (ld->faults->errors || !ld->config->backup.url.n)
		return;
	for (size_t i = 0; i < ld->ntenants; i++)
		if (!has_backup(ld->tenants[i].conf.app)) {
			first = first ? first : &ld->tenants[i];
			n++;
		}
	if (n)
		warn_at(ld, first->private.place,
			"tenant " STR_FMT
			"%s no database that is copied to the backup, and files are not: " CONFIG_NAME_ONE
			"; %s",
			STR_ARG(first->conf.id), n > 1 ? " and others have" : " has",
			first->conf.app->strict_databases
				? "until then it does not start, unless strict_databases: false allows it"
				: "until then all of it is on this disk only");
}

static int compare_ids(const void *a, const void *b)
{
	return str_cmp(((const struct tenant_draft *)a)->conf.id,
		((const struct tenant_draft *)b)->conf.id);
}

static int compare_users(const void *a, const void *b)
{
	const struct user_conf *const *left = a, *const *right = b;

	return str_cmp((*left)->name, (*right)->name);
}

static uint64_t fingerprint(const struct config *c, const struct tenant_conf *t, uint64_t layer)
{
	struct buf text = {0};
	uint64_t hash;
	int64_t port = c->is_single ? c->server.target_port : 0;

	str host = words_name_host(t->app) ? t->host : STR_EMPTY;

	buf_add(&text, (str){(const char *)&layer, sizeof(layer)});
	buf_add(&text, (str){(const char *)&port, sizeof(port)});
	for (size_t i = 0; i < 5; i++) {
		str s = ((str[]){t->id, t->name, t->prefix, t->dir, host})[i];

		buf_add(&text, (str){(const char *)&s.n, sizeof(s.n)});
		buf_add(&text, s);
	}
	hash = hash_keyed(buf_str(&text), CONFIG_HASH_KEYS);
	buf_done(&text);
	return hash;
}

static void hand_over(struct loader *ld)
{
	struct config *c = ld->config;
	struct config_private *private = c->private;

	c->ntenants = ld->ntenants;
	c->said_ports = said_ports(ld);
	c->tenants = arena_alloc(ld->arena, ld->ntenants * sizeof(*c->tenants));
	private->tenants = arena_alloc(ld->arena, ld->ntenants * sizeof(*private->tenants));
	for (size_t i = 0; i < ld->ntenants; i++) {
		c->tenants[i] = ld->tenants[i].conf;
		private->tenants[i] = ld->tenants[i].private;
		if (!ld->is_snapshot)
			c->tenants[i].fingerprint =
				fingerprint(c, &c->tenants[i], private->tenants[i].layer->hash);
	}
	private->nusers = ld->nusers;
	private->users = arena_alloc(ld->arena, ld->nusers * sizeof(*private->users));
	if (ld->nusers)
		memcpy(private->users, ld->users, ld->nusers * sizeof(*private->users));
}

void tenants_finish(struct loader *ld)
{
	if (ld->ntenants)
		qsort(ld->tenants, ld->ntenants, sizeof(*ld->tenants), compare_ids);
	if (!ld->is_snapshot) {
		check_ids(ld);
		check_hosts(ld);
		check_users(ld);
		check_backups(ld);
		check_commands(ld);
		check_words(ld);
		check_ports(ld);
	}
	if (ld->nusers)
		qsort(ld->users, ld->nusers, sizeof(*ld->users), compare_users);
	hand_over(ld);
}
