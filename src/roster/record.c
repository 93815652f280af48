/* record.c - one version of the roster: the entries that it changes, before and after. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "roster/roster_int.h"

#define ID_BYTES    16
#define MAX_CHANGES 100000u

void record_hash(str text, char ret[HASH_TEXT])
{
	unsigned char digest[DIGEST_SHA256];

	digest_sha256(text, digest);
	digest_write_hex(digest, sizeof(digest), ret);
}

void roster_record_done(struct roster_record *record)
{
	if (record->arena)
		arena_done(record->arena);
	free(record->arena);
	free(record->changes);
	*record = (struct roster_record){0};
}

static void record_init(struct roster_record *record, uint64_t version)
{
	*record = (struct roster_record){
		.version = version, .arena = xcalloc(1, sizeof(*record->arena))};
}

void record_begin(struct roster_record *record, uint64_t version, str by)
{
	unsigned char bytes[ID_BYTES];
	char id[DIGEST_HEX_SIZE(ID_BYTES)];

	record_init(record, version);
	random_bytes(bytes, sizeof(bytes));
	digest_write_hex(bytes, sizeof(bytes), id);
	record->id = arena_dup(record->arena, str_of(id));
	record->when = (int64_t)time(NULL);
	record->by = arena_dup(record->arena, by);
	record->previous = STR_EMPTY;
}

void record_add(
	struct roster_record *record, enum roster_kind kind, str name, str before, str after)
{
	/* Doubles whenever the number is a power of two. */
	if (!(record->nchanges & (record->nchanges - 1)))
		record->changes = xrealloc(record->changes,
			MAX(record->nchanges * 2, (size_t)1) * sizeof(*record->changes));
	record->changes[record->nchanges++] = (struct roster_entry_change){
		.kind = kind,
		.name = arena_dup(record->arena, name),
		.before = arena_dup(record->arena, before),
		.after = arena_dup(record->arena, after),
	};
}

static void write_entry(struct json *j, const char *key, str text)
{
	if (text.n)
		json_raw(j, key, text);
	else
		json_none(j, key);
}

void record_write(const struct roster_record *record, const char *previous, struct buf *out)
{
	struct json j = {.out = out};

	json_open_object(&j, NULL);
	json_number(&j, "roster", ROSTER_FORMAT);
	json_number(&j, "version", record->version);
	json_str(&j, "previous", str_of(previous));
	json_str(&j, "id", record->id);
	json_int(&j, "when", record->when);
	json_str(&j, "by", record->by);
	json_open_array(&j, "changes");
	for (size_t i = 0; i < record->nchanges; i++) {
		const struct roster_entry_change *c = &record->changes[i];

		json_open_object(&j, NULL);
		json_str(&j, kind_word(c->kind), c->name);
		write_entry(&j, "before", c->before);
		write_entry(&j, "after", c->after);
		json_close_object(&j);
	}
	json_close_array(&j);
	json_close_object(&j);
	buf_add_char(out, '\n');
}

/* --- reading --- */

static str text_member(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return json_is_string(value) ? (str){json_string_value(value), json_string_length(value)}
				     : (str){NULL, 0};
}

/* In the one form that entries have; empty for null. */
static int read_side(const json_t *j, uint64_t version, struct buf *out, struct why *ret_why)
{
	struct roster_entry e = {0};
	int r;

	buf_clear(out);
	if (json_is_null(j))
		return 0;
	r = entry_read(j, &e, ret_why);
	if (r < 0)
		return r;
	if (e.version > version)
		r = -EBADMSG;
	else
		entry_write(&e, out);
	entry_done(&e);
	return r;
}

static int read_change(struct roster_record *record, const json_t *j, struct why *ret_why)
{
	struct buf before = {0}, after = {0};
	str name = {NULL, 0};
	unsigned kind = 0;
	int r = -EBADMSG;

	while (kind < ROSTER_NKINDS && !name.p)
		name = text_member(j, kind_word((enum roster_kind)kind++));
	if (name.p && json_object_size(j) == 3)
		r = kind_check_name((enum roster_kind)(kind - 1), name, ret_why);
	if (r == 0)
		r = read_side(json_object_get(j, "before"), record->version, &before, ret_why);
	if (r == 0)
		r = read_side(json_object_get(j, "after"), record->version, &after, ret_why);
	if (r == 0)
		record_add(record, (enum roster_kind)(kind - 1), name, buf_str(&before),
			buf_str(&after));
	buf_done(&before);
	buf_done(&after);
	return r;
}

static int read_all(struct roster_record *record, json_t *j, struct why *ret_why)
{
	const json_t *when = json_object_get(j, "when");
	json_t *changes = json_object_get(j, "changes"), *change;
	str id = text_member(j, "id"), by = text_member(j, "by"),
	    previous = text_member(j, "previous");
	size_t i;
	int r = 0;

	if (json_integer_value(json_object_get(j, "version")) != (json_int_t)record->version ||
		!id.p || !by.p || !previous.p || !json_is_integer(when) ||
		!json_is_array(changes) || json_array_size(changes) > MAX_CHANGES ||
		json_object_size(j) != 7)
		return -EBADMSG;
	record->id = arena_dup(record->arena, id);
	record->by = arena_dup(record->arena, by);
	record->previous = arena_dup(record->arena, previous);
	record->when = json_integer_value(when);
	json_array_foreach(changes, i, change)
	{
		r = read_change(record, change, ret_why);
		if (r < 0)
			return r;
	}
	return r;
}

int record_read(str text, uint64_t version, struct roster_record *ret, struct why *ret_why)
{
	json_t *j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	json_int_t format = json_integer_value(json_object_get(j, "roster"));
	struct roster_record record;
	int r = -EBADMSG;

	record_init(&record, version);
	why_set(ret_why, "it is damaged");
	if (format > (json_int_t)ROSTER_FORMAT)
		why_set(ret_why, "it was written by a later fly-atc");
	else if (format == (json_int_t)ROSTER_FORMAT)
		r = read_all(&record, j, ret_why);
	json_decref(j);
	if (r < 0) {
		roster_record_done(&record);
		return r;
	}
	record_hash(text, record.hash);
	*ret = record;
	return 0;
}

/* --- applying --- */

void record_do(const struct roster_record *record, struct roster *r)
{
	for (size_t i = 0; i < record->nchanges; i++)
		roster_set_entry(r, record->changes[i].kind, record->changes[i].name,
			record->changes[i].after);
}

void record_undo(const struct roster_record *record, struct roster *r)
{
	for (size_t i = record->nchanges; i > 0; i--)
		roster_set_entry(r, record->changes[i - 1].kind, record->changes[i - 1].name,
			record->changes[i - 1].before);
}

int record_apply(const struct roster_record *record, struct roster *r, struct why *ret_why)
{
	MAGIC_CHECK(r, ROSTER_MAGIC);
	if (record->version != r->version + 1 || !str_eq(record->previous, str_of(r->head))) {
		why_set(ret_why, "version %llu does not follow the version before it",
			(unsigned long long)record->version);
		return -ESTALE;
	}
	for (size_t i = 0; i < record->nchanges; i++) {
		const struct roster_entry_change *c = &record->changes[i];

		if (str_eq(roster_find(r, c->kind, c->name), c->before))
			continue;
		why_set(ret_why, "version %llu does not say how %s " STR_FMT " was before",
			(unsigned long long)record->version, kind_word(c->kind), STR_ARG(c->name));
		return -EBADMSG;
	}
	record_do(record, r);
	r->version = record->version;
	memcpy(r->head, record->hash, sizeof(r->head));
	return 0;
}
