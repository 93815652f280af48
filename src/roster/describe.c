/* describe.c - what a version changes, in words. */
/* SPDX-License-Identifier: MIT */
#include "roster/roster_int.h"

/* Of a map the names only: its values may be secrets. */
static void describe_value(struct buf *out, const json_t *value)
{
	json_t *v = (json_t *)(uintptr_t)value, *member;
	const char *key, *comma = "";
	struct json j = {.out = out};

	if (json_is_string(v)) {
		buf_add(out, (str){json_string_value(v), json_string_length(v)});
	} else if (json_is_object(v)) {
		buf_add_char(out, '{');
		json_object_foreach(v, key, member)
		{
			buf_printf(out, "%s%s", comma, key);
			comma = ", ";
		}
		buf_add_char(out, '}');
	} else {
		value_write(&j, v);
	}
}

static void add_separator(struct buf *out, bool *is_first)
{
	buf_add(out, *is_first ? STR(": ") : STR(", "));
	*is_first = false;
}

static void add_settings(
	struct buf *out, const struct roster_entry *before, const struct roster_entry *after)
{
	bool is_first = true;
	json_t *value;
	const char *key;

	json_object_foreach(after->settings, key, value)
	{
		const json_t *former = json_object_get(before->settings, key);

		if (former && json_equal(former, value))
			continue;
		add_separator(out, &is_first);
		buf_printf(out, "%s ", key);
		if (json_is_null(value))
			buf_add(out, STR("taken back"));
		else
			describe_value(out, value);
		if (former && !json_is_null(former)) {
			buf_add(out, STR(" (was "));
			describe_value(out, former);
			buf_add_char(out, ')');
		}
	}
	json_object_foreach(before->settings, key, value)
	{
		if (json_object_get(after->settings, key))
			continue;
		add_separator(out, &is_first);
		buf_printf(out, "%s taken back", key);
	}
	if (after->has_tenants && !before->has_tenants) {
		add_separator(out, &is_first);
		buf_add(out, STR("has tenants"));
	}
}

static const char *sign(
	const struct roster_entry *before, bool had, const struct roster_entry *after, bool has)
{
	bool was_gone = had && before->how == ENTRY_REMOVED;

	if (!has)
		return "=";
	if (after->how == ENTRY_REMOVED)
		return "-";
	if (after->how == ENTRY_NEW && (!had || was_gone))
		return "+";
	return "~";
}

void change_describe(const struct roster_entry_change *change, struct buf *out)
{
	struct roster_entry before = {0}, after = {0}, none = {0};
	bool had = change->before.n && entry_read_text(change->before, &before, NULL) == 0;
	bool has = change->after.n && entry_read_text(change->after, &after, NULL) == 0;

	buf_printf(out, "%s %s " STR_FMT, sign(&before, had, &after, has), kind_word(change->kind),
		STR_ARG(change->name));
	if (!has)
		buf_add(out, STR(": as in the file"));
	else if (after.how != ENTRY_REMOVED)
		add_settings(out, before.how == ENTRY_REMOVED ? &none : &before, &after);
	buf_add_char(out, '\n');
	entry_done(&before);
	entry_done(&after);
}

void roster_record_describe(const struct roster_record *record, struct buf *out)
{
	for (size_t i = 0; i < record->nchanges; i++)
		change_describe(&record->changes[i], out);
}
