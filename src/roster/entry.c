/* entry.c - what the roster says of one user, tenant or machine. */
/* SPDX-License-Identifier: MIT */
#include "roster/roster_int.h"

#define MAX_DEPTH 12 /* of a setting */

static const char *const how_words[] = {"new", "change", "removed"};
static_assert(NITEMS(how_words) == ENTRY_REMOVED + 1, "a word for each");

void entry_done(struct roster_entry *e)
{
	json_decref(e->settings);
	*e = (struct roster_entry){0};
}

static str json_text(const json_t *j)
{
	return (str){json_string_value(j), json_string_length(j)};
}

void value_write(struct json *j, const json_t *value)
{
	/* Jansson has no constant iterators; nothing is changed. */
	json_t *v = (json_t *)(uintptr_t)value, *member;
	const char *key;
	size_t i;

	if (json_is_object(v)) {
		json_open_object(j, NULL);
		json_object_foreach(v, key, member)
		{
			json_name(j, str_of(key));
			value_write(j, member);
		}
		json_close_object(j);
	} else if (json_is_array(v)) {
		json_open_array(j, NULL);
		json_array_foreach(v, i, member) value_write(j, member);
		json_close_array(j);
	} else if (json_is_string(v)) {
		json_str(j, NULL, json_text(v));
	} else {
		json_none(j, NULL);
	}
}

/* Texts, lists, maps and null only: a number would be written in more than one way. */
static bool is_setting(const json_t *value, unsigned depth)
{
	json_t *v = (json_t *)(uintptr_t)value, *member;
	const char *key;
	size_t i;

	if (depth > MAX_DEPTH)
		return false;
	if (json_is_object(v)) {
		json_object_foreach(
			v, key, member) if (!is_setting(member, depth + 1)) return false;
		return true;
	}
	json_array_foreach(v, i, member) if (!is_setting(member, depth + 1)) return false;
	return json_is_array(v) || json_is_string(v) || json_is_null(v);
}

static int read_how(const json_t *j, enum entry_how *ret)
{
	for (unsigned i = 0; json_is_string(j) && i < NITEMS(how_words); i++) {
		if (!str_eq(json_text(j), str_of(how_words[i])))
			continue;
		*ret = (enum entry_how)i;
		return 0;
	}
	return -EBADMSG;
}

static bool read_member(struct roster_entry *e, const char *key, json_t *value)
{
	str name = str_of(key);
	json_int_t number = json_integer_value(value);

	if (str_eq(name, STR("version"))) {
		e->version = (uint64_t)number;
		return json_is_integer(value) && number > 0 && number <= ROSTER_VERSION_MAX;
	}
	if (str_eq(name, STR("how")))
		return read_how(value, &e->how) == 0;
	if (str_eq(name, STR("tenants"))) {
		e->has_tenants = true;
		return json_is_true(value);
	}
	if (!str_eq(name, STR("settings")) || !json_is_object(value) || !is_setting(value, 0))
		return false;
	e->settings = json_incref(value);
	return true;
}

int entry_read(const json_t *j, struct roster_entry *ret, struct why *ret_why)
{
	struct roster_entry e = {0};
	json_t *value;
	const char *key;
	bool is_sound = json_is_object(j);

	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		is_sound = read_member(&e, key, value);
		if (!is_sound)
			break;
	}
	if (is_sound && e.version && json_object_get(j, "how")) {
		*ret = e;
		return 0;
	}
	why_set(ret_why, "an entry of it cannot be understood");
	entry_done(&e);
	return -EBADMSG;
}

int entry_read_text(str text, struct roster_entry *ret, struct why *ret_why)
{
	json_t *j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	int r = entry_read(j, ret, ret_why);

	json_decref(j);
	return r;
}

void entry_write(const struct roster_entry *e, struct buf *out)
{
	struct json j = {.out = out};

	json_open_object(&j, NULL);
	json_number(&j, "version", e->version);
	json_str(&j, "how", str_of(how_words[e->how]));
	if (e->has_tenants)
		json_bool(&j, "tenants", true);
	if (json_object_size(e->settings)) {
		json_name(&j, STR("settings"));
		value_write(&j, e->settings);
	}
	json_close_object(&j);
}
