/* return.c - takes back one version, or all after one: as a new version. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "roster/roster_int.h"

/* Who changed it last. */
static uint64_t version_of(str entry)
{
	struct roster_entry e = {0};
	uint64_t version = 0;

	if (entry.n && entry_read_text(entry, &e, NULL) == 0)
		version = e.version;
	entry_done(&e);
	return version;
}

static int take_back(const struct roster_record *one, const struct roster *r,
	struct roster_record *ret, struct why *ret_why)
{
	for (size_t i = 0; i < one->nchanges; i++) {
		const struct roster_entry_change *c = &one->changes[i];
		str now = roster_find(r, c->kind, c->name);

		if (!str_eq(now, c->after)) {
			why_set(ret_why,
				"%s " STR_FMT
				" was changed again by version %llu; take that back first",
				kind_word(c->kind), STR_ARG(c->name),
				(unsigned long long)version_of(now));
			return -EBUSY;
		}
		record_add(ret, c->kind, c->name, now, c->before);
	}
	return 0;
}

/* From the last version down: what stands in `then` at the end is how it was. */
static int go_back(struct roster_place *p, uint64_t version, msec until, struct roster *then,
	struct roster_record *touched, struct why *ret_why)
{
	for (uint64_t at = then->version; at > version; at--) {
		struct roster_record one;
		int r = roster_read_record(p, at, until, &one, ret_why);

		if (r < 0)
			return r == -ENOENT ? -EIO : r;
		record_undo(&one, then);
		for (size_t i = 0; i < one.nchanges; i++)
			record_add(touched, one.changes[i].kind, one.changes[i].name, STR_EMPTY,
				STR_EMPTY);
		roster_record_done(&one);
	}
	return 0;
}

static int return_to(struct roster_place *p, uint64_t version, msec until, const struct roster *r,
	struct roster_record *ret, struct why *ret_why)
{
	struct roster *then = roster_copy(r);
	struct roster_record touched;
	int err;

	record_begin(&touched, r->version, STR_EMPTY);
	err = go_back(p, version, until, then, &touched, ret_why);
	for (size_t i = 0; err == 0 && i < touched.nchanges; i++) {
		const struct roster_entry_change *c = &touched.changes[i];
		str now = roster_find(r, c->kind, c->name),
		    was = roster_find(then, c->kind, c->name);

		if (str_eq(now, was))
			continue;
		record_add(ret, c->kind, c->name, now, was);
		roster_set_entry(then, c->kind, c->name, now); /* once is enough */
	}
	roster_record_done(&touched);
	roster_free(then);
	return err;
}

int return_resolve(const struct roster_return *q, struct roster_place *p, msec until,
	const struct roster *r, struct roster_record *ret, struct why *ret_why)
{
	struct roster_record one;
	int err;

	record_begin(ret, r->version + 1, q->by);
	if (q->version > r->version || (q->only_that && !q->version)) {
		why_set(ret_why, "there is no version %llu; the last one is %llu",
			(unsigned long long)q->version, (unsigned long long)r->version);
		return -ENOENT;
	}
	if (!q->only_that)
		return return_to(p, q->version, until, r, ret, ret_why);
	err = roster_read_record(p, q->version, until, &one, ret_why);
	if (err < 0)
		return err;
	err = take_back(&one, r, ret, ret_why);
	roster_record_done(&one);
	return err;
}
