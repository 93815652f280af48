/* faults.c - what is wrong with a configuration: collected, sorted, printed. */
/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/config_int.h"

static str where_text(const struct loader *ld, struct place place)
{
	switch (place.kind) {
	case PLACE_FILE:
		return ld->file ? str_of(ld->file) : STR("configuration");
	case PLACE_ENVIRONMENT:
		return STR("environment");
	case PLACE_COMMAND_LINE:
		return STR("command line");
	}
	return STR_EMPTY;
}

PRINTF(4, 0)
static void add(struct loader *ld, struct place place, bool is_warning, const char *fmt, va_list ap)
{
	struct config_faults *faults = ld->faults;
	struct config_fault *fault;
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	/* Doubles whenever count is a power of two. */
	if (!(faults->count & (faults->count - 1)))
		faults->items = xrealloc(
			faults->items, MAX(faults->count * 2, (size_t)1) * sizeof(*faults->items));
	fault = &faults->items[faults->count++];
	*fault = (struct config_fault){
		.where = arena_dup(faults->arena, where_text(ld, place)),
		.line = place.line,
		.column = place.column,
		.text = arena_dup(faults->arena, str_of(text)),
		.is_warning = is_warning,
	};
	faults->errors += !is_warning;
	free(text);
}

void fault_at(struct loader *ld, struct place place, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(ld, place, false, fmt, ap);
	va_end(ap);
}

void warn_at(struct loader *ld, struct place place, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(ld, place, true, fmt, ap);
	va_end(ap);
}

static int compare(const void *a, const void *b)
{
	const struct config_fault *left = a, *right = b;

	/* What has no place in the file comes last. */
	if (!left->line != !right->line)
		return left->line ? -1 : 1;
	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	if (left->column != right->column)
		return left->column < right->column ? -1 : 1;
	return str_cmp(left->text, right->text);
}

void faults_sort(struct config_faults *faults)
{
	if (faults->count)
		qsort(faults->items, faults->count, sizeof(*faults->items), compare);
}

void config_faults_print(const struct config_faults *faults, int fd)
{
	for (size_t i = 0; i < faults->count; i++) {
		const struct config_fault *f = &faults->items[i];
		const char *kind = f->is_warning ? "warning" : "error";

		if (f->line)
			dprintf(fd, STR_FMT ":%u:%u: %s: " STR_FMT "\n", STR_ARG(f->where), f->line,
				f->column, kind, STR_ARG(f->text));
		else
			dprintf(fd, STR_FMT ": %s: " STR_FMT "\n", STR_ARG(f->where), kind,
				STR_ARG(f->text));
	}
}

void config_faults_done(struct config_faults *faults)
{
	if (faults->arena)
		arena_done(faults->arena);
	free(faults->arena);
	free(faults->items);
	*faults = (struct config_faults){0};
}

/* Letters to add, drop, change or swap with a neighbour to make b of a (restricted
 * Damerau-Levenshtein). */
static size_t edit_distance(str a, str b)
{
	enum { MAX_WORD = 40 };
	size_t rows[3][MAX_WORD + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	if (a.n > MAX_WORD || b.n > MAX_WORD)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *oldest = before;

		now[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			bool is_same = a.p[i - 1] == b.p[j - 1];

			now[j] = MIN(MIN(last[j], now[j - 1]) + 1, last[j - 1] + !is_same);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[b.n];
}

struct nearest {
	str key, word;
	size_t distance;
};

static void consider(struct nearest *nearest, str word)
{
	size_t distance = edit_distance(nearest->key, word);

	if (distance < nearest->distance) {
		nearest->distance = distance;
		nearest->word = word;
	}
}

/* The other section that knows the key, or NULL. */
static const struct section *home_of(str key, const struct section *s)
{
	for (size_t i = 0; i < NSECTIONS; i++)
		if (&sections[i] != s && section_find(&sections[i], key))
			return &sections[i];
	return NULL;
}

void fault_unknown_key(struct loader *ld, const struct node *key, const struct section *s,
	const char *const *extra)
{
	struct nearest nearest = {key->text, STR_EMPTY, 1 + key->text.n / 3};
	const struct section *home = home_of(key->text, s);

	for (size_t i = 0; s && i < s->nrows; i++)
		consider(&nearest, s->rows[i].name);
	for (size_t i = 0; extra && extra[i]; i++)
		consider(&nearest, str_of(extra[i]));
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

str nearest_word(str word, const char *const *words)
{
	struct nearest nearest = {word, STR_EMPTY, 1 + word.n / 6};

	for (size_t i = 0; words[i]; i++)
		consider(&nearest, str_of(words[i]));
	return nearest.word;
}
