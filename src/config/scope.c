/* scope.c - what may be set for tenants at any level: settings of app:, databases, host, machine,
 * region. */
/* SPDX-License-Identifier: MIT */
#include "base/number.h"
#include "config/config_int.h"

static bool is_host(str s)
{
	str rest = s, label;
	size_t labels = 0;

	if (s.n > 253 || str_ends(s, STR(".")))
		return false;
	while (str_split(&rest, '.', &label)) {
		if (!label.n || label.n > 63 || label.p[0] == '-' || str_ends(label, STR("-")))
			return false;
		for (size_t i = 0; i < label.n; i++)
			if ((label.p[i] < 'a' || label.p[i] > 'z') &&
				(label.p[i] < '0' || label.p[i] > '9') && label.p[i] != '-')
				return false;
		labels++;
	}
	return labels > 0;
}

static bool read_expanded_text(struct loader *ld, const struct node *n, str *ret)
{
	if (n->kind == NODE_SCALAR && !n->is_bad && !node_is_null(n))
		return expand_text(ld, n->text, false, n->place, ret);
	if (!n->is_bad)
		fault_at(ld, n->place, STR_FMT ": expected a text, not %s", STR_ARG(n->key->text),
			node_kind_text(n));
	return false;
}

/* Host names are compared without case: stored in lower case. */
static void read_host(struct loader *ld, struct setting_location *location, const struct node *n)
{
	str text;
	char *lower;

	location->host_line = n->key->place.line;
	if (!read_expanded_text(ld, n, &text))
		return;
	lower = arena_printf(ld->arena, STR_FMT, STR_ARG(text));
	for (char *p = lower; *p; p++)
		*p = char_lower(*p);
	location->host = str_of(lower);
	if (!is_host(location->host))
		fault_at(ld, n->place, "host: \"%s\" is not the name of a host (without port)",
			text.p);
}

static void read_word(struct loader *ld, const struct node *n, str *value, unsigned *line)
{
	str text;

	if (*line)
		fault_at(ld, n->key->place,
			"machine and instance are the same; one of them was on %s",
			line_text(ld, *line));
	*line = n->key->place.line;
	if (!read_expanded_text(ld, n, &text))
		return;
	*value = text;
	if (!is_machine_name(text))
		fault_at(ld, n->place,
			STR_FMT ": \"" STR_FMT "\" may have letters, digits, - _ and . only",
			STR_ARG(n->key->text), STR_ARG(text));
}

static bool read_location(struct loader *ld, struct scope *scope, const struct node *n)
{
	struct setting_location *location = &scope->location;
	str key = n->key->text;

	if (str_eq(key, STR("host")))
		read_host(ld, location, n);
	else if (str_eq(key, STR("machine")) || str_eq(key, STR("instance")))
		read_word(ld, n, &location->machine, &location->machine_line);
	else if (str_eq(key, STR("region")))
		read_word(ld, n, &location->region, &location->region_line);
	else
		return false;
	scope->has_location = true;
	return true;
}

static struct app_layer *own_layer(struct loader *ld, struct scope *scope)
{
	if (!scope->own)
		scope->own = layer_new(ld, scope->parent);
	return scope->own;
}

static void read_slot(struct loader *ld, struct scope *scope, const struct node *n)
{
	uint64_t slot;

	if (n->kind != NODE_SCALAR || number_parse(n->text, UINT32_MAX, &slot) < 0)
		fault_at(ld, n->place, "slot: expected a whole number");
	else
		scope->slot = (uint32_t)slot;
}

bool scope_read_entry(struct loader *ld, struct scope *scope, const struct node *n)
{
	str key = n->key->text;

	if (read_location(ld, scope, n))
		return true;
	if (ld->is_snapshot && str_eq(key, STR("slot"))) {
		read_slot(ld, scope, n);
		return true;
	}
	if (str_eq(key, STR("databases"))) {
		databases_read(ld, own_layer(ld, scope), n);
		return true;
	}
	if (section_find(&sections[SECTION_APP], key)) {
		struct values values = app_values(own_layer(ld, scope));

		return section_read_entry(ld, &values, n);
	}
	return false;
}

/* Somebody moves a user by the region, and he stays where his machine is. */
static void check_region(struct loader *ld, const struct setting_location *l)
{
	if (l->machine_line && line_is_roster(l->region_line) && l->region_line > l->machine_line)
		warn_at(ld, (struct place){PLACE_FILE, l->region_line, 0},
			"the region " STR_FMT " has no effect, since machine " STR_FMT
			" of %s decides; `machine=` takes that back",
			STR_ARG(l->region), STR_ARG(l->machine), line_text(ld, l->machine_line));
}

const struct app_layer *scope_finish(struct loader *ld, struct scope *scope)
{
	check_region(ld, &scope->location);
	if (!scope->own)
		return scope->parent;
	layer_derive(ld, scope->own);
	return scope->own;
}
