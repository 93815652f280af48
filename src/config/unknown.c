/* unknown.c - reports a key that is unknown, or that belongs elsewhere. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

/* The other section that knows the key, or NULL.  Those of machine: are words of everybody's. */
static const struct section *home_of(str key, const struct section *s)
{
	for (size_t i = 0; i < NSECTIONS; i++)
		if (i != SECTION_MACHINE && &sections[i] != s && section_find(&sections[i], key))
			return &sections[i];
	return NULL;
}

void fault_unknown_key(struct loader *ld, const struct node *key, const struct section *s,
	const char *const *extra)
{
	struct nearest nearest = {key->text, STR_EMPTY, 1 + key->text.n / 3};
	const struct section *home = home_of(key->text, s);

	for (size_t i = 0; s && i < s->nrows; i++)
		spelling_consider(&nearest, s->rows[i].name);
	for (size_t i = 0; extra && extra[i]; i++)
		spelling_consider(&nearest, str_of(extra[i]));
	if (home)
		fault_at(ld, key->place,
			"unknown key \"" STR_FMT "\" here; it belongs in " STR_FMT ":",
			STR_ARG(key->text), STR_ARG(home->name));
	else if (nearest.word.n)
		fault_at(ld, key->place,
			"unknown key \"" STR_FMT "\"; did you mean \"" STR_FMT "\"?",
			STR_ARG(key->text), STR_ARG(nearest.word));
	else
		fault_at(ld, key->place, "unknown key \"" STR_FMT "\"", STR_ARG(key->text));
}
