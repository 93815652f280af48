/* request.c - from what is asked for to the entries that change; pure. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "roster/roster_int.h"

/* What a request is about, as it is now. */
struct subject {
	const struct config *base; /* what the file alone says */
	const struct roster *roster;
	const struct roster_request *request;
	json_t *settings; /* of the request; an object */
	struct roster_record *record;
	struct why *why;
};

static int object_to(struct subject *s, int code, const char *text)
{
	why_set(s->why, "%s " STR_FMT " %s", kind_word(s->request->kind), STR_ARG(s->request->name),
		text);
	return code;
}

/* --- what is there --- */

static bool find_entry(
	const struct subject *s, enum roster_kind kind, str name, struct roster_entry *ret)
{
	str text = roster_find(s->roster, kind, name);

	return text.n && entry_read_text(text, ret, s->why) == 0;
}

/* What the roster says of a user goes first. */
static enum config_user user_now(const struct subject *s, str name)
{
	enum config_user found = config_find_user(s->base, name);
	struct roster_entry e = {0};

	if (!find_entry(s, ROSTER_USER, name, &e))
		return found;
	if (e.how == ENTRY_REMOVED)
		found = CONFIG_USER_NONE;
	else if (e.how == ENTRY_NEW)
		found = e.has_tenants ? CONFIG_USER_TENANTS : CONFIG_USER_ALONE;
	else if (found != CONFIG_USER_NONE && e.has_tenants)
		found = CONFIG_USER_TENANTS;
	entry_done(&e);
	return found;
}

/* Whether the file's tenants of a user are those that the roster changes. */
static bool counts_file(const struct subject *s, str user)
{
	struct roster_entry e = {0};
	bool counts = true;

	if (!find_entry(s, ROSTER_USER, user, &e))
		return true;
	counts = e.how == ENTRY_CHANGE;
	entry_done(&e);
	return counts;
}

static bool has_tenant(const struct subject *s, str id)
{
	bool in_file = counts_file(s, user_of_tenant(id)) && config_user_has_tenant(s->base, id);
	struct roster_entry e = {0};

	if (user_now(s, user_of_tenant(id)) != CONFIG_USER_TENANTS)
		return false;
	if (!find_entry(s, ROSTER_TENANT, id, &e))
		return in_file;
	in_file = e.how == ENTRY_NEW || (e.how == ENTRY_CHANGE && in_file);
	entry_done(&e);
	return in_file;
}

static bool has_machine(const struct subject *s, str name)
{
	const struct machine_conf *machine = config_find_machine(s->base, name);
	bool in_file = machine && !machine->is_of_target;
	struct roster_entry e = {0};

	if (!find_entry(s, ROSTER_MACHINE, name, &e))
		return in_file;
	in_file = e.how == ENTRY_NEW || (e.how == ENTRY_CHANGE && in_file);
	entry_done(&e);
	return in_file;
}

static bool is_there(const struct subject *s)
{
	switch (s->request->kind) {
	case ROSTER_USER:
		return user_now(s, s->request->name) != CONFIG_USER_NONE;
	case ROSTER_TENANT:
		return has_tenant(s, s->request->name);
	case ROSTER_MACHINE:
		return has_machine(s, s->request->name);
	}
	return false;
}

/* --- settings --- */

/* By the newer name of the same setting. */
static const char *setting_name(const char *key)
{
	assert(key);
	return strcmp(key, "instance") == 0 ? "machine" : key;
}

/* Into the map that an entry has; null takes back what the file says, or, with nothing below, what
 * the entry says. */
static void merge(json_t *into, const json_t *settings, bool is_over_file)
{
	json_t *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)settings, key, value)
	{
		const char *name = setting_name(key);
		json_t *former = json_object_get(into, name);

		if (json_is_null(value) && !is_over_file)
			json_object_del(into, name);
		else if (json_is_object(value) && json_is_object(former))
			json_object_update(former, value);
		else
			json_object_set(into, name, value);
	}
}

/* Adds the change if it is one. */
static void put_entry(struct subject *s, enum roster_kind kind, str name, struct roster_entry *e)
{
	str before = roster_find(s->roster, kind, name);
	struct buf text = {0};
	struct roster_entry former = {0};

	if (before.n && entry_read_text(before, &former, NULL) == 0) {
		e->version = former.version;
		entry_done(&former);
		entry_write(e, &text);
	}
	if (!before.n || !str_eq(buf_str(&text), before)) {
		e->version = s->record->version;
		buf_clear(&text);
		entry_write(e, &text);
		record_add(s->record, kind, name, before, buf_str(&text));
	}
	buf_done(&text);
}

static void put_new(struct subject *s, enum roster_kind kind, str name, const json_t *settings,
	bool has_tenants)
{
	struct roster_entry e = {
		.how = ENTRY_NEW, .has_tenants = has_tenants, .settings = json_object()};

	if (json_is_object(settings))
		merge(e.settings, settings, false);
	put_entry(s, kind, name, &e);
	entry_done(&e);
}

/* --- the verbs --- */

/* `tenants` of a new user: a list of names, or a map of names and settings. */
static int put_tenants(struct subject *s, str user, json_t *tenants)
{
	json_t *value;
	const char *key;
	size_t i;

	if (!json_is_array(tenants) && !json_is_object(tenants))
		return object_to(s, -EINVAL, "tenants is a list of names, or a map");
	json_object_foreach(tenants, key, value)
	{
		CLEAN_FREE char *id = xasprintf(STR_FMT "/%s", STR_ARG(user), key);

		if (!json_is_object(value) && !json_is_null(value))
			return object_to(s, -EINVAL, "has a tenant whose settings are no map");
		put_new(s, ROSTER_TENANT, str_of(id), value, false);
	}
	json_array_foreach(tenants, i, value)
	{
		const char *name = json_string_value(value);
		CLEAN_FREE char *id = xasprintf(STR_FMT "/%s", STR_ARG(user), name ? name : "");

		if (!name)
			return object_to(s, -EINVAL, "has a tenant whose name is no text");
		put_new(s, ROSTER_TENANT, str_of(id), NULL, false);
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return str_cmp(*(const str *)a, *(const str *)b);
}

/* Entries of tenants that are none of the user's any more. */
static void drop_tenants(struct subject *s, str user)
{
	const struct map *tenants = &s->roster->entries[ROSTER_TENANT];
	str *names = xcalloc(tenants->count + 1, sizeof(*names));
	size_t n = 0;

	map_foreach (e, tenants)
		if (str_eq(user_of_tenant(e->key), user))
			names[n++] = e->key;
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++)
		record_add(s->record, ROSTER_TENANT, names[i],
			roster_find(s->roster, ROSTER_TENANT, names[i]), STR_EMPTY);
	free(names);
}

static int add(struct subject *s)
{
	const struct roster_request *q = s->request;
	json_t *tenants = json_incref(json_object_get(s->settings, "tenants"));
	bool has_tenants = q->kind == ROSTER_USER && tenants;
	int r = 0;

	if (has_tenants)
		json_object_del(s->settings, "tenants");
	put_new(s, q->kind, q->name, s->settings, has_tenants);
	if (has_tenants)
		r = put_tenants(s, q->name, tenants);
	json_decref(tenants);
	return r;
}

static int begin_tenants(struct subject *s, struct roster_entry *e)
{
	json_t *tenants = json_object_get(s->settings, "tenants");
	int r;

	if (!tenants)
		return 0;
	if (user_now(s, s->request->name) != CONFIG_USER_ALONE)
		return object_to(s, -EINVAL,
			"has tenants: add, change and remove them one by one (fly-atc tenant)");
	r = put_tenants(s, s->request->name, tenants);
	e->has_tenants = true;
	json_object_del(s->settings, "tenants");
	return r;
}

static int change(struct subject *s)
{
	const struct roster_request *q = s->request;
	struct roster_entry e = {.how = ENTRY_CHANGE};
	int r = 0;

	if (!json_object_size(s->settings))
		return object_to(
			s, -EINVAL, "is to be changed, but nothing is said, as machine=m2");
	find_entry(s, q->kind, q->name, &e);
	if (!e.settings)
		e.settings = json_object();
	if (q->kind == ROSTER_USER)
		r = begin_tenants(s, &e);
	merge(e.settings, s->settings, e.how == ENTRY_CHANGE);
	if (r == 0)
		put_entry(s, q->kind, q->name, &e);
	entry_done(&e);
	return r;
}

/* What it removes stays removed, even if the file names it (again). */
static int remove_it(struct subject *s)
{
	struct roster_entry e = {.how = ENTRY_REMOVED};

	if (json_object_size(s->settings))
		return object_to(s, -EINVAL, "is to be removed: settings make no sense");
	if (s->request->kind == ROSTER_USER)
		drop_tenants(s, s->request->name);
	put_entry(s, s->request->kind, s->request->name, &e);
	return 0;
}

static int check_user_of_tenant(struct subject *s)
{
	str user = user_of_tenant(s->request->name);

	switch (user_now(s, user)) {
	case CONFIG_USER_NONE:
		why_set(s->why,
			"there is no user " STR_FMT "; add it with: fly-atc user add " STR_FMT,
			STR_ARG(user), STR_ARG(s->request->name));
		return -ENOENT;
	case CONFIG_USER_ALONE:
		why_set(s->why,
			"user " STR_FMT " has no tenants, but is one, at /" STR_FMT
			", which would end; if it is to: fly-atc user change " STR_FMT
			" tenants={}",
			STR_ARG(user), STR_ARG(user), STR_ARG(user));
		return -EINVAL;
	case CONFIG_USER_TENANTS:
		return 0;
	}
	return -EINVAL;
}

static int check(struct subject *s)
{
	const struct roster_request *q = s->request;
	bool is_here;
	int r = kind_check_name(q->kind, q->name, s->why);

	if (r < 0)
		return -EINVAL;
	is_here = is_there(s);
	if (q->verb == ROSTER_ADD && is_here)
		return object_to(s, -EEXIST, "exists");
	if (q->verb == ROSTER_ADD)
		return q->kind == ROSTER_TENANT ? check_user_of_tenant(s) : 0;
	if (is_here)
		return 0;
	if (q->kind == ROSTER_TENANT && config_find_tenant(s->base, q->name) &&
		!config_user_has_tenant(s->base, q->name))
		return object_to(s, -EINVAL,
			"stands in routes: of the file, which the roster does not change");
	return object_to(s, -ENOENT, "does not exist");
}

static int resolve(struct subject *s)
{
	switch (s->request->verb) {
	case ROSTER_ADD:
		return add(s);
	case ROSTER_CHANGE:
		return change(s);
	case ROSTER_REMOVE:
		return remove_it(s);
	}
	return -EINVAL;
}

static int read_settings(struct subject *s)
{
	struct buf text = {0}, reason = {0};
	str given = str_trim(s->request->settings);
	int r = 0;

	if (given.n && !config_settings_read(given, &text, &reason)) {
		why_set(s->why, "settings: " STR_FMT, STR_ARG(buf_str(&reason)));
		r = -EINVAL;
	}
	if (!buf_len(&text))
		buf_add(&text, STR("{}"));
	s->settings = json_loadb(buf_str(&text).p, buf_len(&text), JSON_REJECT_DUPLICATES, NULL);
	if (r == 0 && !json_is_object(s->settings)) {
		why_set(s->why, "settings are a map, as {machine: m1}");
		r = -EINVAL;
	}
	buf_done(&text);
	buf_done(&reason);
	return r;
}

/* Of a list of names one may stand there twice. */
static int check_once(struct subject *s)
{
	struct map seen = {0};
	int r = 0;

	for (size_t i = 0; i < s->record->nchanges && r == 0; i++) {
		const struct roster_entry_change *c = &s->record->changes[i];

		if (c->kind == ROSTER_TENANT && map_put(&seen, c->name, s)) {
			why_set(s->why, "tenant " STR_FMT " is named twice", STR_ARG(c->name));
			r = -EINVAL;
		}
	}
	map_done(&seen);
	return r;
}

int request_resolve(const struct roster_request *q, const struct config *base,
	const struct roster *r, struct roster_record *ret, struct why *ret_why)
{
	struct subject s = {.base = base, .roster = r, .request = q, .record = ret, .why = ret_why};
	int err;

	record_begin(ret, r->version + 1, q->by);
	err = read_settings(&s);
	if (err == 0)
		err = check(&s);
	if (err == 0)
		err = resolve(&s);
	if (err == 0)
		err = check_once(&s);
	json_decref(s.settings);
	return err;
}
