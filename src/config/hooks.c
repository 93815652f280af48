/* hooks.c - a command that runs at a certain moment of a tenant or of the machine: with a time
 * limit and an environment. */
/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "config/config_int.h"

#define PART(type_, name_, fallback_)                                                              \
	{                                                                                          \
		.name = STR_INIT(#name_), .fallback = fallback_, .type = TYPE_##type_,             \
		.offset = offsetof(struct hook_conf, name_),                                       \
	}

static const struct row parts[] = {
	PART(ARGV, command, ""),
	PART(MSEC, timeout, "30s"),
	PART(MAP, env, ""),
};

static void *part_at(const struct hook_conf *hook, const struct row *part)
{
	return (char *)(uintptr_t)hook + part->offset;
}

void hook_set_none(struct loader *ld, struct hook_conf *ret)
{
	const char *why;

	for (size_t i = 0; i < NITEMS(parts); i++) {
		bool is_ok = value_read_text(
			ld, &parts[i], str_of(parts[i].fallback), part_at(ret, &parts[i]), &why);

		assert(is_ok);
	}
}

static const struct row *find_part(str name)
{
	for (size_t i = 0; i < NITEMS(parts); i++)
		if (str_eq(parts[i].name, name))
			return &parts[i];
	return NULL;
}

static bool read_parts(struct loader *ld, const struct node *map, struct hook_conf *hook)
{
	bool is_ok = true;

	node_foreach(entry, map)
	{
		const struct row *part = find_part(entry->key->text);

		if (part) {
			is_ok &= value_read(ld, part, entry, part_at(hook, part));
			continue;
		}
		fault_at(ld, entry->key->place,
			"a hook has command, timeout and env, no \"" STR_FMT "\"",
			STR_ARG(entry->key->text));
		is_ok = false;
	}
	return is_ok;
}

bool hook_read(
	struct loader *ld, const struct row *row, const struct node *n, struct hook_conf *value)
{
	struct hook_conf hook;

	hook_set_none(ld, &hook);
	if (n->kind == NODE_MAP ? !read_parts(ld, n, &hook)
				: !value_read(ld, &parts[0], n, &hook.command))
		return false;
	if (n->kind == NODE_MAP && !hook.command.count) {
		fault_at(ld, n->place, STR_FMT ": which command? It needs `command:`",
			STR_ARG(row->name));
		return false;
	}
	*value = hook;
	return true;
}

bool hook_equal(const struct hook_conf *a, const struct hook_conf *b)
{
	for (size_t i = 0; i < NITEMS(parts); i++)
		if (!value_equal(&parts[i], part_at(a, &parts[i]), part_at(b, &parts[i])))
			return false;
	return true;
}

void hook_emit(const struct hook_conf *hook, hook_emit_fn *emit, void *arg)
{
	for (size_t i = 0; i < NITEMS(parts); i++)
		emit(arg, &parts[i], part_at(hook, &parts[i]));
}
