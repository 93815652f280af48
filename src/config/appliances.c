/* appliances.c - `appliances:`, paths that another app of the platform answers. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

#define MAX_PATTERN 255u

/* What a request's path looks like, with stars. */
static bool is_pattern(str s)
{
	str rest = str_slice(s, 1, s.n), segment;

	if (s.n < 2 || s.n > MAX_PATTERN || s.p[0] != '/')
		return false;
	while (str_split(&rest, '/', &segment))
		if (!segment.n || str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
			return false;
	return str_find_char(s, '?') < 0 && str_find_char(s, '%') < 0 &&
	       str_find_char(s, ' ') < 0 && utf8_valid_length(s) == s.n;
}

static void read_appliance(struct loader *ld, struct appliance_conf *a, const struct node *n)
{
	static const char *const keys[] = {"app", "region", NULL};
	str rest, first = STR_EMPTY;

	*a = (struct appliance_conf){.pattern = arena_dup(ld->arena, n->key->text),
		.app = STR_EMPTY,
		.region = STR_EMPTY,
		.line = n->key->place.line};
	if (!is_pattern(a->pattern))
		fault_at(ld, n->key->place,
			"appliances: \"" STR_FMT
			"\" is no path such as /*/*.pdf, in which * stands for anything",
			STR_ARG(a->pattern));
	rest = str_slice(a->pattern, 1, a->pattern.n);
	a->is_rooted = str_split(&rest, '/', &first) && str_find_char(first, '*') < 0;
	if (!section_expects_map(ld, n))
		return;
	node_foreach(entry, n)
	{
		if (str_eq(entry->key->text, STR("app")))
			(void)!machine_name_read(ld, entry, &a->app);
		else if (str_eq(entry->key->text, STR("region")))
			(void)!machine_name_read(ld, entry, &a->region);
		else
			fault_unknown_key(ld, entry->key, NULL, keys);
	}
	if (!a->app.n && !ld->faults->errors)
		fault_at(ld, n->key->place, "appliances: " STR_FMT ": names no app",
			STR_ARG(a->pattern));
}

void appliances_read(struct loader *ld, const struct node *map)
{
	struct config *c = ld->config;

	if (!section_expects_map(ld, map))
		return;
	c->appliances = arena_alloc(ld->arena, map->count * sizeof(*c->appliances));
	node_foreach(n, map) read_appliance(ld, &c->appliances[c->nappliances++], n);
}
