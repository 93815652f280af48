/* roster_edit.c - the roster is written, and its history read, for operators. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/log.h"
#include "loop/work.h"
#include "supervisor/roster_watch_int.h"
#include "supervisor/supervisor_int.h"

/* msec */
#define EDIT_LIMIT    10000u
#define HISTORY_LIMIT 10000u

enum { EDIT_MAGIC = MAGIC('e', 'd', 'i', 't') };

struct edit {
	uint32_t magic;
	struct list link; /* roster_watch.edits */
	struct supervisor *sup;
	struct arena arena; /* of the texts */
	bool is_return;
	struct roster_request request;
	struct roster_return back;
	int err;
	struct why why;
	struct roster_outcome outcome;
	struct found_set *found; /* machines that the file need not name */
	const char *not_yet;
	control_wrote_fn *done;
	void *arg;
};

static void edit_free(struct edit *e)
{
	found_release(e->found);
	roster_outcome_done(&e->outcome);
	arena_done(&e->arena);
	MAGIC_END(e, EDIT_MAGIC);
	free(e);
}

static void tell_outcome(void *arg)
{
	struct edit *e = arg;
	bool has_faults = e->outcome.faults.count > 0;

	MAGIC_CHECK(e, EDIT_MAGIC);
	e->done(e->arg, &(struct control_roster_outcome){.err = e->err,
				.reason = str_of(e->err ? e->why.text : ""),
				.version = e->outcome.version,
				.text = buf_str(&e->outcome.text),
				.faults = has_faults ? &e->outcome.faults : NULL,
				.not_yet = str_of(e->not_yet ? e->not_yet : "")});
	edit_free(e);
}

static void refuse_edit(struct edit *e, int err, const char *reason)
{
	list_remove(&e->link);
	e->err = err;
	why_set(&e->why, "%s", reason);
	loop_defer(e->sup->loop, tell_outcome, e);
}

int edit_run(struct roster_look *l)
{
	struct edit *e = l->edit;
	struct roster_watch *w = l->watch;
	struct config_source source = *e->sup->source;
	msec until = clock_now() + EDIT_LIMIT;

	MAGIC_CHECK(e, EDIT_MAGIC);
	found_add_to(e->found, &source);
	e->err = e->is_return ? roster_revert(w->place, &source, l->roster, &e->back, until,
					&e->outcome, &e->why)
			      : roster_commit(w->place, &source, l->roster, &e->request, until,
					&e->outcome, &e->why);
	if (e->err != -EIO)
		return 0;
	l->why = e->why;
	return -EIO;
}

void edit_end(struct roster_watch *w, struct edit *take_e, const char *not_yet)
{
	struct edit *e = take_e;
	bool is_dry = e->is_return ? e->back.is_dry : e->request.is_dry;

	MAGIC_CHECK(e, EDIT_MAGIC);
	if (e->err == 0 && !is_dry && e->outcome.version) {
		herald_tell(e->sup, e->outcome.version);
		log_info("version %llu of the roster: " STR_FMT,
			(unsigned long long)e->outcome.version, STR_ARG(e->request.name));
		e->not_yet = w->sup->roster.in_force >= e->outcome.version ? NULL
			     : not_yet[0] ? arena_printf(&e->arena, "%s", not_yet)
					  : "it is not in force here yet";
	}
	loop_defer(e->sup->loop, tell_outcome, e);
}

struct edit *edit_next(struct roster_watch *w)
{
	struct edit *e;

	if (list_is_empty(&w->edits))
		return NULL;
	e = list_first(&w->edits, struct edit, link);
	list_remove(&e->link);
	e->found = found_take(w->sup);
	return e;
}

void edit_refuse_all(struct roster_watch *w, int err, const char *reason)
{
	list_foreach_safe (e, &w->edits, struct edit, link)
		refuse_edit(e, err, reason);
}

/* --- what is asked for --- */

static const struct {
	str text;
	enum roster_kind kind;
} kinds[] = {
	{STR_INIT("users"), ROSTER_USER},
	{STR_INIT("tenants"), ROSTER_TENANT},
	{STR_INIT("machines"), ROSTER_MACHINE},
};
static const struct {
	str text;
	enum roster_verb verb;
} verbs[] = {
	{STR_INIT("add"), ROSTER_ADD},
	{STR_INIT("change"), ROSTER_CHANGE},
	{STR_INIT("remove"), ROSTER_REMOVE},
};

static void fill_in(struct edit *e, const struct control_roster_request *q)
{
	e->is_return = !q->kind.n;
	e->back = (struct roster_return){.version = q->version,
		.only_that = q->only_that,
		.by = arena_dup(&e->arena, q->by),
		.is_dry = q->is_dry};
	e->request = (struct roster_request){.name = arena_dup(&e->arena, q->name),
		.settings = arena_dup(&e->arena, q->settings),
		.by = e->back.by,
		.is_dry = q->is_dry};
	for (size_t i = 0; i < NITEMS(kinds); i++)
		if (str_eq(q->kind, kinds[i].text))
			e->request.kind = kinds[i].kind;
	for (size_t i = 0; i < NITEMS(verbs); i++)
		if (str_eq(q->verb, verbs[i].text))
			e->request.verb = verbs[i].verb;
}

void roster_watch_write(struct supervisor *s, const struct control_roster_request *q,
	control_wrote_fn *done, void *arg)
{
	struct edit *e = xcalloc(1, sizeof(*e));

	MAGIC_BEGIN(e, EDIT_MAGIC);
	list_init(&e->link);
	e->sup = s;
	e->done = done;
	e->arg = arg;
	fill_in(e, q);
	if (!s->roster.watch) {
		refuse_edit(e, -ENOTSUP, NO_ROSTER);
	} else if (s->end.is_ending) {
		refuse_edit(e, -ECANCELED, "fly-atc is about to end");
	} else {
		list_append(&s->roster.watch->edits, &e->link);
		roster_watch_want(s->roster.watch);
	}
}

/* --- history --- */

struct history {
	struct supervisor *sup;
	uint64_t version;
	size_t n;
	struct roster_record *records;
	size_t nrecords;
	int err;
	struct why why;
	control_record_fn *each;
	void *arg;
};

static void read_history(void *arg)
{
	struct history *h = arg;
	struct roster_watch *w = h->sup->roster.watch;
	msec until = clock_now() + HISTORY_LIMIT;

	while (h->nrecords < h->n && h->version > 0) {
		h->err = roster_read_record(
			w->place, h->version, until, &h->records[h->nrecords], &h->why);
		if (h->err < 0)
			return;
		h->nrecords++;
		h->version--;
	}
}

static str kind_text(enum roster_kind kind)
{
	for (size_t i = 0; i < NITEMS(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].text;
	return STR_EMPTY;
}

static void show_record(const struct history *h, const struct roster_record *r)
{
	struct control_roster_entry *changes = xcalloc(MAX(r->nchanges, 1u), sizeof(*changes));
	struct buf what = {0};

	for (size_t i = 0; i < r->nchanges; i++)
		changes[i] = (struct control_roster_entry){kind_text(r->changes[i].kind),
			r->changes[i].name, r->changes[i].before, r->changes[i].after};
	roster_record_describe(r, &what);
	h->each(h->arg,
		&(struct control_roster_record){
			r->version, r->when, r->by, buf_str(&what), changes, r->nchanges},
		0, STR_EMPTY);
	buf_done(&what);
	free(changes);
}

static void on_history(void *arg)
{
	struct history *h = arg;

	for (size_t i = 0; i < h->nrecords; i++) {
		show_record(h, &h->records[i]);
		roster_record_done(&h->records[i]);
	}
	h->each(h->arg, NULL, h->err, str_of(h->err ? h->why.text : ""));
	ending_check_soon(h->sup);
	free(h->records);
	free(h);
}

void roster_watch_history(
	struct supervisor *s, uint64_t version, size_t n, control_record_fn *each, void *arg)
{
	struct roster_watch *w = s->roster.watch;
	struct history *h = xcalloc(1, sizeof(*h));

	*h = (struct history){.sup = s,
		.n = n,
		.records = xcalloc(MAX(n, 1u), sizeof(*h->records)),
		.each = each,
		.arg = arg};
	if (!w || s->end.is_ending) {
		h->err = w ? -ECANCELED : -ENOTSUP;
		why_set(&h->why, "%s", w ? "fly-atc is about to end" : NO_ROSTER);
		loop_defer(s->loop, on_history, h);
		return;
	}
	h->version = version ? MIN(version, w->sup->roster.newest->version)
			     : w->sup->roster.newest->version;
	work_run(w->sup->roster.work, read_history, on_history, h);
}
