/* diff.c - what differs between two versions. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "roster/roster_int.h"

/* By name; what was changed twice stays in the order in which it was. */
static int compare_changes(const void *a, const void *b)
{
	const struct roster_entry_change *const *left = a, *const *right = b;
	int order = str_cmp((*left)->name, (*right)->name);

	if ((*left)->kind != (*right)->kind)
		return (*left)->kind < (*right)->kind ? -1 : 1;
	return order ? order : (*left < *right ? -1 : 1);
}

static bool is_same_entry(const struct roster_entry_change *a, const struct roster_entry_change *b)
{
	return a->kind == b->kind && str_eq(a->name, b->name);
}

/* All that the roster says. */
static void add_state(const struct roster *r, struct roster_record *all)
{
	for (unsigned kind = 0; kind < ROSTER_NKINDS; kind++)
		map_foreach (e, &r->entries[kind])
			record_add(all, (enum roster_kind)kind, e->key, STR_EMPTY,
				roster_find(r, (enum roster_kind)kind, e->key));
}

static int add_versions(struct roster_place *p, uint64_t from, uint64_t to, msec until,
	struct roster_record *all, struct why *ret_why)
{
	for (uint64_t at = from + 1; at <= to; at++) {
		struct roster_record one;
		int r = roster_read_record(p, at, until, &one, ret_why);

		if (r < 0)
			return r;
		for (size_t i = 0; i < one.nchanges; i++)
			record_add(all, one.changes[i].kind, one.changes[i].name,
				one.changes[i].before, one.changes[i].after);
		roster_record_done(&one);
	}
	return 0;
}

/* Of each entry one change, from what it was first to what it is last.  What was changed back is no
 * difference. */
static void describe_sorted(const struct roster_record *all, bool is_backwards, struct buf *out)
{
	const struct roster_entry_change **sorted = xcalloc(all->nchanges + 1, sizeof(*sorted));
	size_t n = all->nchanges, next;

	for (size_t i = 0; i < n; i++)
		sorted[i] = &all->changes[i];
	qsort(sorted, n, sizeof(*sorted), compare_changes);
	for (size_t i = 0; i < n; i = next) {
		struct roster_entry_change change = *sorted[i];

		next = i + 1;
		while (next < n && is_same_entry(sorted[next], sorted[i]))
			next++;
		change.before = is_backwards ? sorted[next - 1]->after : sorted[i]->before;
		change.after = is_backwards ? sorted[i]->before : sorted[next - 1]->after;
		if (!str_eq(change.before, change.after))
			change_describe(&change, out);
	}
	free(sorted);
}

int roster_diff(struct roster_place *p, const struct roster *r, uint64_t from, uint64_t to,
	msec until, struct buf *out, struct why *ret_why)
{
	struct roster_record all;
	int err = 0;

	if (MAX(from, to) > r->version) {
		why_set(ret_why, "there is no version %llu; the last one is %llu",
			(unsigned long long)MAX(from, to), (unsigned long long)r->version);
		return -ENOENT;
	}
	record_begin(&all, r->version, STR_EMPTY);
	if (!from && to == r->version)
		add_state(r, &all);
	else
		err = add_versions(p, MIN(from, to), MAX(from, to), until, &all, ret_why);
	if (err == 0)
		describe_sorted(&all, from > to, out);
	roster_record_done(&all);
	return err;
}
