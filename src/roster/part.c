/* part.c - the part of a large roster that a version can put at fault: the users that it touches.
 */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "roster/roster_int.h"

#define SMALL	  1000u /* entries: all of it is loaded in no time */
#define MAX_USERS 16u

struct users {
	str names[MAX_USERS];
	size_t count;
};

str user_of_tenant(str id)
{
	str rest = id, user = STR_EMPTY;

	str_split(&rest, '/', &user);
	return user;
}

static bool has_user(const struct users *u, str name)
{
	for (size_t i = 0; i < u->count; i++)
		if (str_eq(u->names[i], name))
			return true;
	return false;
}

/* False: there are too many, or machines, which concern everybody. */
static bool find_users(const struct roster_record *record, struct users *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < record->nchanges; i++) {
		const struct roster_entry_change *c = &record->changes[i];
		str name = c->kind == ROSTER_TENANT ? user_of_tenant(c->name) : c->name;

		if (c->kind == ROSTER_MACHINE)
			return false;
		if (has_user(ret, name))
			continue;
		if (ret->count == MAX_USERS)
			return false;
		ret->names[ret->count++] = name;
	}
	return true;
}

/* The name of a user who was there before is nobody else's. */
static bool is_new_name(const struct roster_entry_change *c)
{
	struct roster_entry before = {0};
	bool was_there = c->before.n && entry_read_text(c->before, &before, NULL) == 0 &&
			 before.how != ENTRY_REMOVED;

	entry_done(&before);
	return c->kind == ROSTER_USER && !was_there;
}

/* Somebody else's name that only differs in capital letters. */
static bool has_twin(const struct roster *r, str name)
{
	map_foreach (e, &r->entries[ROSTER_USER])
		if (str_eq_nocase(e->key, name) && !str_eq(e->key, name))
			return true;
	return false;
}

static bool has_twins(const struct roster *r, const struct roster_record *record)
{
	for (size_t i = 0; i < record->nchanges; i++)
		if (is_new_name(&record->changes[i]) && has_twin(r, record->changes[i].name))
			return true;
	return false;
}

static void copy_entry(const struct roster *r, enum roster_kind kind, str name, struct roster *into)
{
	roster_set_entry(into, kind, name, roster_find(r, kind, name));
}

static struct roster *copy_users(const struct roster *r, const struct users *u)
{
	struct roster *part = roster_new();

	part->version = r->version;
	memcpy(part->head, r->head, sizeof(part->head));
	for (size_t i = 0; i < u->count; i++)
		copy_entry(r, ROSTER_USER, u->names[i], part);
	map_foreach (e, &r->entries[ROSTER_TENANT])
		if (has_user(u, user_of_tenant(e->key)))
			copy_entry(r, ROSTER_TENANT, e->key, part);
	map_foreach (e, &r->entries[ROSTER_MACHINE])
		copy_entry(r, ROSTER_MACHINE, e->key, part);
	return part;
}

struct roster *roster_part(const struct roster *r, const struct roster_record *record)
{
	struct users users;
	size_t entries = 0;

	for (unsigned i = 0; i < ROSTER_NKINDS; i++)
		entries += r->entries[i].count;
	if (entries <= SMALL || !find_users(record, &users) || has_twins(r, record))
		return NULL;
	return copy_users(r, &users);
}

bool roster_part_is_enough(const struct config *c, const struct roster_record *record)
{
	struct users users;

	if (!find_users(record, &users))
		return false;
	for (size_t i = 0; i < c->ntenants; i++)
		if (has_user(&users, c->tenants[i].user) &&
			(c->tenants[i].host.n || c->tenants[i].app->port > 0))
			return false;
	return true;
}
