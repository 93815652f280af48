/* roster_history.c - roster: what was changed, what differs, and back. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/number.h"
#include "command/roster.h"
#include "command/roster_int.h"
#include "command/text.h"
#include "control/client.h"

#define READ_LIMIT  60000u /* msec, for a history of any length */
#define SHOWN	    50u
#define MAX_VERSION 999999999u
#define MOMENT_TEXT 32u

static void moment_text(int64_t when, char out[MOMENT_TEXT])
{
	time_t t = (time_t)when;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, MOMENT_TEXT, "%Y-%m-%d %H:%M:%SZ", &tm);
}

static int tell(const struct why *why)
{
	struct buf text = {0};

	text_add_harmless(&text, str_of(why->text));
	tell_fault(STR_FMT, STR_ARG(buf_str(&text)));
	buf_done(&text);
	return EXIT_RUNTIME;
}

/* --- history --- */

static void add_lines(struct buf *out, const struct roster_record *record)
{
	struct buf text = {0};
	char when[MOMENT_TEXT];
	str rest, line;

	moment_text(record->when, when);
	buf_printf(out, "%llu  %s  ", (unsigned long long)record->version, when);
	text_add_harmless(out, record->by);
	buf_add_char(out, '\n');
	roster_record_describe(record, &text);
	rest = buf_str(&text);
	while (str_split(&rest, '\n', &line)) {
		buf_add(out, STR("    "));
		text_add_harmless(out, line);
		buf_add_char(out, '\n');
	}
	buf_done(&text);
}

static void add_json(struct json *j, const struct roster_record *record)
{
	struct buf text = {0};
	str rest, line;

	json_open_object(j, NULL);
	json_number(j, "version", record->version);
	json_int(j, "time", record->when);
	json_str(j, "by", record->by);
	json_open_array(j, "changes");
	roster_record_describe(record, &text);
	rest = buf_str(&text);
	while (str_split(&rest, '\n', &line))
		json_str(j, NULL, line);
	json_close_array(j);
	json_close_object(j);
	buf_done(&text);
}

static int history(const struct options *o, struct roster_desk *d)
{
	uint64_t limit = SHOWN, at = roster_version(d->roster), left;
	msec until = clock_now() + READ_LIMIT;
	struct buf out = {0};
	struct json j = {.out = &out};
	struct why why = {""};
	int r = 0;

	if (o->lines)
		(void)!number_parse(str_of(o->lines), UINT64_MAX, &limit);
	if (o->as_json)
		json_open_array(&j, NULL);
	for (left = limit; at > 0 && left > 0 && r == 0; at--, left--) {
		struct roster_record record;

		r = roster_read_record(d->place, at, until, &record, &why);
		if (r < 0)
			break;
		if (o->as_json)
			add_json(&j, &record);
		else
			add_lines(&out, &record);
		roster_record_done(&record);
	}
	if (o->as_json) {
		json_close_array(&j);
		buf_add_char(&out, '\n');
	}
	print_buf(&out, stdout);
	buf_done(&out);
	return r < 0 ? tell(&why) : 0;
}

/* --- diff --- */

static int read_version(const struct options *o, size_t i, uint64_t fallback, uint64_t *ret)
{
	*ret = fallback;
	if (i >= o->nwords || number_parse(str_of(o->words[i]), MAX_VERSION, ret) == 0)
		return 0;
	tell_fault("roster %s: %s is not the number of a version", o->words[0], o->words[i]);
	return EXIT_USAGE;
}

static int diff(const struct options *o, struct roster_desk *d)
{
	struct buf text = {0}, out = {0};
	struct why why = {""};
	uint64_t from, to;
	int r = read_version(o, 1, 0, &from);
	str rest, line;

	if (r == 0)
		r = read_version(o, 2, roster_version(d->roster), &to);
	if (r != 0)
		return r;
	r = roster_diff(d->place, d->roster, from, to, clock_now() + READ_LIMIT, &text, &why);
	rest = buf_str(&text);
	if (o->as_json) {
		struct json j = {.out = &out};

		json_open_array(&j, NULL);
		while (str_split(&rest, '\n', &line))
			json_str(&j, NULL, line);
		json_close_array(&j);
		buf_add_char(&out, '\n');
	} else {
		while (str_split(&rest, '\n', &line)) {
			text_add_harmless(&out, line);
			buf_add_char(&out, '\n');
		}
	}
	if (r == 0)
		print_buf(&out, stdout);
	buf_done(&text);
	buf_done(&out);
	return r < 0 ? tell(&why) : 0;
}

/* --- revert --- */

static int ask_revert(
	const struct options *o, const struct roster_desk *d, const struct roster_return *q)
{
	struct buf by = {0};
	CLEAN_FREE char *target = NULL;
	int r;

	client_add_segment(&by, q->by);
	target = xasprintf("revert?version=%llu&only=%d&by=" STR_FMT "%s",
		(unsigned long long)q->version, q->only_that, STR_ARG(buf_str(&by)),
		o->is_dry ? "&dry_run=1" : "");
	r = d->file->is_single ? -ENOENT : roster_ask(o, target, STR_EMPTY);
	buf_done(&by);
	return r == -ENOENT ? roster_tell_no_place(d) : r;
}

static int revert(const struct options *o, struct roster_desk *d)
{
	struct config_source source = roster_source(o);
	CLEAN_FREE char *by = roster_writer();
	struct roster_return q = {.only_that = !o->goes_to, .by = str_of(by), .is_dry = o->is_dry};
	struct roster_outcome outcome;
	struct roster_owner owner;
	struct why why = {""};
	int r = read_version(o, 1, 0, &q.version);

	if (r != 0)
		return r;
	if (!d->place)
		return ask_revert(o, d, &q);
	roster_desk_be_owner(d, &owner);
	r = roster_revert(
		d->place, &source, d->roster, &q, clock_now() + ROSTER_WRITE_LIMIT, &outcome, &why);
	roster_owner_return(&owner);
	r = roster_tell_outcome(o, d, r, &outcome, &why);
	roster_outcome_done(&outcome);
	return r;
}

/* --- the command --- */

static const struct {
	const char *word;
	size_t min, max; /* words after it */
	bool writes;
	int (*run)(const struct options *o, struct roster_desk *d);
} actions[] = {
	{"history", 0, 0, false, history},
	{"diff", 0, 2, false, diff},
	{"revert", 1, 1, true, revert},
};

static int check_revision_words(const struct options *o, size_t action)
{
	if (action == NITEMS(actions))
		tell_fault("roster: %s is none of history, diff and revert", o->words[0]);
	else if (o->nwords - 1 < actions[action].min)
		tell_fault("roster %s: which version?", o->words[0]);
	else if (o->nwords - 1 > actions[action].max)
		tell_fault("roster %s: unexpected argument %s", o->words[0],
			o->words[1 + actions[action].max]);
	else if (!actions[action].writes && (o->is_dry || o->goes_to))
		tell_fault("roster %s: --dry-run and --to go with revert", o->words[0]);
	else
		return 0;
	fputs("Try: fly-atc help roster\n", stderr);
	return EXIT_USAGE;
}

int roster_history_run(const struct options *o)
{
	struct config_source source = roster_source(o);
	struct roster_desk desk = {0};
	size_t action = 0;
	int r;

	while (action < NITEMS(actions) &&
		!str_eq(str_of(o->words[0]), str_of(actions[action].word)))
		action++;
	r = check_revision_words(o, action);
	if (r == 0)
		r = roster_desk_open(&desk, &source);
	if (r == 0 && !desk.place && !actions[action].writes)
		r = roster_tell_no_place(&desk);
	if (r == 0 && !actions[action].writes && roster_desk_read(&desk) < 0)
		r = EXIT_RUNTIME;
	if (r == 0)
		r = actions[action].run(o, &desk);
	roster_desk_close(&desk);
	return r;
}
