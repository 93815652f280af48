/* faults.c - a configuration's faults: collected, sorted, printed. */
/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/config_int.h"

static str where_text(const struct loader *ld, struct place place)
{
	if (line_is_roster(place.line))
		return STR("roster");
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
static void add_fault(
	struct loader *ld, struct place place, bool is_warning, const char *fmt, va_list ap)
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
		.line = place.line & ~ROSTER_LINES,
		.column = line_is_roster(place.line) ? 0 : place.column,
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
	add_fault(ld, place, false, fmt, ap);
	va_end(ap);
}

void warn_at(struct loader *ld, struct place place, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_fault(ld, place, true, fmt, ap);
	va_end(ap);
}

const char *line_text(struct loader *ld, unsigned line)
{
	return arena_printf(&ld->tree,
		line_is_roster(line) ? "version %u of the roster" : "line %u",
		line & ~ROSTER_LINES);
}

static int compare_faults(const void *a, const void *b)
{
	const struct config_fault *left = a, *right = b;

	/* Faults without a place in the file come last. */
	if (!left->line != !right->line)
		return left->line ? -1 : 1;
	if (left->line && !str_eq(left->where, right->where))
		return str_cmp(left->where, right->where);
	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	if (left->column != right->column)
		return left->column < right->column ? -1 : 1;
	return str_cmp(left->text, right->text);
}

void faults_sort(struct config_faults *faults)
{
	if (faults->count)
		qsort(faults->items, faults->count, sizeof(*faults->items), compare_faults);
}

void config_faults_print(const struct config_faults *faults, int fd)
{
	for (size_t i = 0; i < faults->count; i++) {
		const struct config_fault *f = &faults->items[i];
		const char *kind = f->is_warning ? "warning" : "error";

		if (f->line && !f->column)
			dprintf(fd, STR_FMT ":%u: %s: " STR_FMT "\n", STR_ARG(f->where), f->line,
				kind, STR_ARG(f->text));
		else if (f->line)
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
