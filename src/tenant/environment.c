/* environment.c - copies our environment for a child, without what it must not see. */
/* SPDX-License-Identifier: MIT */
#include "tenant/environment.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

/* --- the list --- */

static size_t find_item(const struct environment *e, const char *name)
{
	size_t n = strlen(name), i = 0;

	while (i < e->count && (strncmp(e->items[i], name, n) != 0 || e->items[i][n] != '='))
		i++;
	return i;
}

static void add_item(struct environment *e, char *take_item)
{
	if (e->count + 2 > e->cap) {
		e->cap = e->cap ? e->cap * 2 : 64;
		e->items = xrealloc(e->items, e->cap * sizeof(*e->items));
	}
	e->items[e->count++] = take_item;
	e->items[e->count] = NULL;
}

void environment_copy(struct environment *e, char *const *from)
{
	for (; *from; from++)
		add_item(e, xstrdup(*from));
}

static void environment_set(struct environment *e, const char *name, str value)
{
	char *item = xasprintf("%s=" STR_FMT, name, STR_ARG(value));
	size_t i = find_item(e, name);

	if (i == e->count) {
		add_item(e, item);
		return;
	}
	free(e->items[i]);
	e->items[i] = item;
}

static void environment_default(struct environment *e, const char *name, str value)
{
	if (find_item(e, name) == e->count)
		environment_set(e, name, value);
}

static void remove_at(struct environment *e, size_t i)
{
	free(e->items[i]);
	memmove(&e->items[i], &e->items[i + 1], (e->count - i) * sizeof(*e->items));
	e->count--;
}

static void environment_unset(struct environment *e, const char *name)
{
	size_t i = find_item(e, name);

	if (i < e->count)
		remove_at(e, i);
}

const char *environment_value(const struct environment *e, const char *name)
{
	size_t i = find_item(e, name);

	return i < e->count ? strchr(e->items[i], '=') + 1 : NULL;
}

void environment_done(struct environment *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->items[i]);
	free(e->items);
	*e = (struct environment){0};
}

static void set_number(struct environment *e, const char *name, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	environment_set(e, name, str_of(text));
}

/* --- what no child of ours may see --- */

/* By kind; a * stands for the rest of a name, or for its beginning. */
static const char *const secrets[] = {"AWS_*", "LITESTREAM_*", "FLY_API_TOKEN", "FLY_ACCESS_TOKEN",
	"SECRET_KEY_BASE", "EAB_*", "THRUSTER_*", "*_ACCESS_KEY_ID", "*_SECRET_ACCESS_KEY"};
/* Variables that are for this process and not for its children. */
static const char *const ours_alone[] = {"LISTEN_*", "NOTIFY_SOCKET", "WATCHDOG_*", "PORT",
	"PIDFILE", "FLY_ATC_RUN",
	/* The container's own name: servers that know the variable bind to its address. */
	"HOSTNAME"};
static const char *const for_proxy[] = {"PATH", "LANG", "LC_*", "TZ", "TZDIR", "LD_LIBRARY_PATH",
	"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"};

static bool is_named(const char *item, const char *const *names, size_t n)
{
	str name = {item, strcspn(item, "=")};

	for (size_t i = 0; i < n; i++) {
		str pattern = str_of(names[i]);
		bool is_prefix = str_ends(pattern, STR("*")),
		     is_suffix = str_starts(pattern, STR("*"));

		if (is_prefix	    ? str_starts(name, str_slice(pattern, 0, pattern.n - 1))
			: is_suffix ? str_ends(name, str_slice(pattern, 1, pattern.n))
				    : str_eq(name, pattern))
			return true;
	}
	return false;
}

static void remove_named(struct environment *e, const char *const *names, size_t n, bool is_kept)
{
	for (size_t i = e->count; i-- > 0;)
		if (is_named(e->items[i], names, n) != is_kept)
			remove_at(e, i);
}

static bool is_in_list(const char *item, const struct str_list *names)
{
	str name = {item, strcspn(item, "=")};

	for (size_t i = 0; i < names->count; i++)
		if (str_eq(name, names->items[i]))
			return true;
	return false;
}

static bool is_secret(const char *item, const struct str_list *named)
{
	return is_named(item, secrets, NITEMS(secrets)) || is_in_list(item, named);
}

static void remove_secrets(struct environment *e, const struct str_list *named)
{
	for (size_t i = e->count; i-- > 0;)
		if (is_secret(e->items[i], named))
			remove_at(e, i);
}

void environment_wipe(char **items, const struct str_list *named)
{
	for (; *items; items++)
		if (is_secret(*items, named))
			explicit_bzero(*items, strlen(*items));
}

/* --- tenants --- */

/* Directories for a user's files, or for temporary ones, are the tenant's own: two tenants with one
 * HOME would find each other's sockets and state there. */
static const struct {
	const char *name, *folder;
} own_folders[] = {
	{"HOME", ENVIRONMENT_HOME},
	{"TMPDIR", ENVIRONMENT_TMP},
	{"XDG_RUNTIME_DIR", ENVIRONMENT_RUN},
};
/* Without them they are below HOME, or another name for TMPDIR. */
static const char *const follow_home[] = {"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME",
	"XDG_STATE_HOME", "XDG_BIN_HOME", "TMP", "TEMP"};

static void add_own_folders(struct environment *e, const struct tenant_conf *t)
{
	remove_named(e, follow_home, NITEMS(follow_home), false);
	for (size_t i = 0; i < NITEMS(own_folders); i++) {
		char *path = xasprintf(STR_FMT "/%s", STR_ARG(t->dir), own_folders[i].folder);

		environment_set(e, own_folders[i].name, str_of(path));
		free(path);
	}
}

static void add_variable(
	struct environment *e, const struct tenant_conf *t, const struct framework_variable *v)
{
	struct framework_place place = {t->app->environment, t->dir, config_seen_prefix(t)};
	CLEAN_FREE char *value = framework_value(t->app->framework, v, &place);

	if (!value)
		environment_unset(e, v->name);
	else if (v->how == TELL_DEFAULT)
		environment_default(e, v->name, str_of(value));
	else
		environment_set(e, v->name, str_of(value));
}

static void add_framework(struct environment *e, const struct tenant_conf *t, bool is_single)
{
	const struct framework_variable *v = framework_preset(t->app->framework)->variables;

	for (; v && v->name; v++)
		if (!is_single || v->how == TELL_ALWAYS)
			add_variable(e, t, v);
}

static void add_databases(struct environment *e, const struct tenant_conf *t)
{
	for (size_t i = 0; i < t->app->ndatabases; i++) {
		const struct database_conf *db = &t->app->databases[i];
		char *url;

		if (!db->env.n)
			continue;
		url = config_database_url(t, db);
		environment_set(e, db->env.p, str_of(url));
		free(url);
	}
}

static void add_port(struct environment *e, const struct tenant_port *port)
{
	if (port->socket_path)
		environment_set(e, "PORT", str_of(port->socket_path));
	else
		set_number(e, "PORT", port->number);
	if (port->is_inherited)
		environment_set(e, "LISTEN_FDS", STR("1"));
}

static void add_told_variable(struct environment *e, const struct tenant_conf *t, enum told told,
	const struct tenant_port *port, const char *secret)
{
	const char *name = config_told_name(told);

	switch (told) {
	case TOLD_PORT:
		if (port)
			add_port(e, port);
		return;
	case TOLD_SECRET_KEY_BASE:
		environment_set(e, name, str_of(secret));
		return;
	case TOLD_FLY_ATC_SCOPE:
		environment_set(e, name, t->prefix);
		return;
	case TOLD_FLY_ATC_NAME:
		environment_set(e, name, t->name.n ? t->name : t->id);
		return;
	case NTOLD:
		return;
	}
}

/* The variables that these name have our values, whatever other variables make of them. */
void environment_add_rows(struct environment *e, const struct tenant_conf *t,
	const struct env_list *rows, unsigned port)
{
	size_t n = rows->count;
	char **values = xcalloc(n + 1, sizeof(*values));

	for (size_t i = 0; i < n; i++)
		if (!rows->items[i].is_unset)
			values[i] = config_expand_tenant(rows->items[i].value, t, port, e->items);
	for (size_t i = 0; i < n; i++) {
		const struct env_var *v = &rows->items[i];

		if (v->is_unset)
			environment_unset(e, v->name.p);
		else
			environment_set(e, v->name.p, str_of(values[i]));
		free(values[i]);
	}
	free(values);
}

void environment_of_tenant(struct environment *e, char *const *ours, const struct tenant_conf *t,
	const struct tenant_port *port, const char *secret, const struct str_list *secret_names)
{
	environment_copy(e, ours);
	remove_secrets(e, secret_names);
	remove_named(e, ours_alone, NITEMS(ours_alone), false);
	add_own_folders(e, t);
	for (enum told told = 0; told < NTOLD; told++)
		add_told_variable(e, t, told, port, secret);
	add_framework(e, t, false);
	add_databases(e, t);
}

void environment_of_single(
	struct environment *e, char *const *ours, const struct tenant_conf *t, unsigned port)
{
	environment_copy(e, ours);
	environment_unset(e, "NOTIFY_SOCKET");
	environment_unset(e, "WATCHDOG_USEC");
	environment_unset(e, "WATCHDOG_PID");
	environment_unset(e, "LISTEN_FDS");
	environment_unset(e, "LISTEN_PID");
	environment_unset(e, "LISTEN_FDNAMES");
	set_number(e, "PORT", port);
	add_framework(e, t, true);
	add_databases(e, t);
}

void environment_of_hook(struct environment *e, char *const *ours, const struct hook_conf *hook,
	const struct str_list *secret_names)
{
	environment_copy(e, ours);
	remove_secrets(e, secret_names);
	remove_named(e, ours_alone, NITEMS(ours_alone), false);
	for (size_t i = 0; i < hook->env.count; i++) {
		const struct env_var *v = &hook->env.items[i];
		CLEAN_FREE char *value = config_expand_plain(v->value);

		if (v->is_unset)
			environment_unset(e, v->name.p);
		else
			environment_set(e, v->name.p, str_of(value));
	}
}

void environment_of_proxy(struct environment *e, char *const *ours)
{
	environment_copy(e, ours);
	remove_named(e, for_proxy, NITEMS(for_proxy), true);
}
