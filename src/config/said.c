/* said.c - what stands of each user and tenant, and where. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "config/config_int.h"

static void set_where(struct config_said *said, unsigned line)
{
	snprintf(said->where, sizeof(said->where), line_is_roster(line) ? "roster:%u" : "line %u",
		line & ~ROSTER_LINES);
}

static void set_location(struct config_said *said, const struct setting_location *l)
{
	said->host = l && l->host_line ? l->host : STR_EMPTY;
	said->machine = l && l->machine_line ? l->machine : STR_EMPTY;
	said->region = l && l->region_line ? l->region : STR_EMPTY;
}

void config_each_user(const struct config *c, config_said_fn *fn, void *arg)
{
	for (size_t i = 0; i < c->private->nusers; i++) {
		const struct user_conf *user = c->private->users[i];
		struct config_said said = {
			.user = user->name, .id = STR_EMPTY, .ntenants = user->ntenants};

		set_location(&said, &user->location);
		set_where(&said, user->place.line);
		fn(arg, &said);
	}
}

void config_each_tenant(const struct config *c, config_said_fn *fn, void *arg)
{
	for (size_t i = 0; i < c->ntenants; i++) {
		const struct tenant_private *private = &c->private->tenants[i];
		struct config_said said = {.user = c->tenants[i].user, .id = c->tenants[i].id};

		set_location(&said, private->location);
		set_where(&said, private->place.line);
		fn(arg, &said);
	}
}
