/* config.c - a configuration after it was loaded: references, tenants, what a reload changes. */
/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "config/config_int.h"

struct config *config_ref(struct config *c)
{
	unsigned before;

	if (!c)
		return NULL;
	MAGIC_CHECK(c->private, CONFIG_MAGIC);
	before = atomic_fetch_add_explicit(&c->private->references, 1, memory_order_relaxed);
	assert(before); /* nothing refers to what is gone */
	return c;
}

void config_unref(struct config *c)
{
	unsigned before;

	if (!c)
		return;
	MAGIC_CHECK(c->private, CONFIG_MAGIC);
	before = atomic_fetch_sub_explicit(&c->private->references, 1, memory_order_acq_rel);
	assert(before);
	if (before > 1)
		return;
	MAGIC_END(c->private, CONFIG_MAGIC);
	arena_done(&c->private->arena);
	free(c->private);
	free(c);
}

const struct tenant_conf *config_find_tenant(const struct config *c, str id)
{
	size_t low = 0, high = c->ntenants;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(c->tenants[middle].id, id);

		if (order == 0)
			return &c->tenants[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct user_conf *find_user(const struct config *c, str name)
{
	size_t low = 0, high = c->private->nusers;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(c->private->users[middle]->name, name);

		if (order == 0)
			return c->private->users[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct user_conf *user_of(const struct config *c, const struct tenant_conf *t)
{
	return t ? c->private->tenants[t - c->tenants].user : NULL;
}

enum config_user config_find_user(const struct config *c, str name)
{
	const struct user_conf *user = find_user(c, name);

	if (!user)
		return CONFIG_USER_NONE;
	return user_of(c, config_find_tenant(c, name)) == user ? CONFIG_USER_ALONE
							       : CONFIG_USER_TENANTS;
}

bool config_user_has_tenant(const struct config *c, str id)
{
	return user_of(c, config_find_tenant(c, id));
}

static void compare_section(
	enum section_id id, const void *before, const void *after, struct buf *ret_names)
{
	const struct section *s = &sections[id];

	for (size_t i = 0; i < s->nrows; i++) {
		const struct row *row = &s->rows[i];

		if (!(row->flags & RESTART) || value_equal(row, (const char *)before + row->offset,
						       (const char *)after + row->offset))
			continue;
		buf_printf(ret_names, "%s" STR_FMT "." STR_FMT, buf_len(ret_names) ? ", " : "",
			STR_ARG(s->name), STR_ARG(row->name));
	}
}

void config_needs_restart(
	const struct config *before, const struct config *after, struct buf *ret_names)
{
	compare_section(SECTION_SERVER, &before->server, &after->server, ret_names);
	compare_section(SECTION_BACKUP, &before->backup, &after->backup, ret_names);
	compare_section(SECTION_MACHINE, &before->machine, &after->machine, ret_names);
}

char *config_database_path(const struct tenant_conf *t, const struct database_conf *db)
{
	return xasprintf(STR_FMT "/" STR_FMT, STR_ARG(t->dir), STR_ARG(db->path));
}

char *config_database_url(const struct tenant_conf *t, const struct database_conf *db)
{
	ssize_t at = str_find(db->url_template, STR("{path}"));

	if (at < 0)
		return str_dup(db->url_template);
	return xasprintf(STR_FMT STR_FMT "/" STR_FMT STR_FMT, (int)at, db->url_template.p,
		STR_ARG(t->dir), STR_ARG(db->path),
		STR_ARG(str_slice(db->url_template, (size_t)at + 6, db->url_template.n)));
}
