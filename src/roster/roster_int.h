/* roster_int.h - what the files of roster/ share: entries, states, records, places. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "backup/store.h"
#include "base/arena.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/magic.h"
#include "base/map.h"
#include "roster/roster.h"

#define ROSTER_FORMAT	   1u /* in every object; a later one may mean something else */
#define ROSTER_VERSION_MAX 999999999u
#define ROSTER_TEXT_MAX	   (256u << 20) /* bytes of a state, as of a configuration file */
#define ROSTER_NKINDS	   3u
#define HASH_TEXT	   DIGEST_HEX_SIZE(DIGEST_SHA256)

/* --- entry.c: one entry of the state, as JSON in one form ---
 *
 * {"version":7,"how":"change","settings":{"machine":"m2","region":null}}
 *
 * A setting is a text, a list, a map, or null: what further out says applies again.  A map is
 * joined with the file's. */

enum entry_how {
	ENTRY_NEW,    /* nothing of the file's applies */
	ENTRY_CHANGE, /* over what the file says */
	ENTRY_REMOVED
};

struct roster_entry {
	uint64_t version; /* that wrote it */
	enum entry_how how;
	bool has_tenants; /* of a user: it is none itself, whatever the file says */
	json_t *settings; /* an object, or NULL: none */
};
void entry_done(struct roster_entry *e);
int entry_read(const json_t *j, struct roster_entry *ret, struct why *ret_why) MUST_USE;
int entry_read_text(str text, struct roster_entry *ret, struct why *ret_why) MUST_USE;
void entry_write(const struct roster_entry *e, struct buf *out);
/* Any JSON, in the form that entries have. */
void value_write(struct json *j, const json_t *value);

/* --- members.c --- */

struct members {
	str rest;
	bool has_begun;
};
/* -EBADMSG: it is no object. */
int members_begin(str object, struct members *ret) MUST_USE;
/* 1, 0 at the end, -EBADMSG.  A name is as it stands there, with its escapes. */
int members_next(struct members *m, str *ret_name, str *ret_value) MUST_USE;

/* --- state.c --- */

enum { ROSTER_MAGIC = MAGIC('r', 'o', 's', 't') };

struct roster {
	uint32_t magic;
	uint64_t version;
	char head[HASH_TEXT]; /* of the object of this version; empty at 0 */
	bool is_confirmed;    /* the store has been seen to have that object */
	struct map entries[ROSTER_NKINDS];
};
const char *kind_word(enum roster_kind kind);
/* -EBADMSG: no name of that kind. */
int kind_check_name(enum roster_kind kind, str name, struct why *ret_why) MUST_USE;
/* The text of an entry, or empty. */
str roster_find(const struct roster *r, enum roster_kind kind, str name);
/* An empty text: there is none from now on. */
void roster_set_entry(struct roster *r, enum roster_kind kind, str name, str text);
/* r becomes what take_other is, which is gone. */
void roster_become(struct roster *r, struct roster *take_other);

/* --- record.c: the object of one version --- */

/* What chains one version to the next: SHA-256 of its object, as text. */
void record_hash(str text, char ret[HASH_TEXT]);

void record_begin(struct roster_record *record, uint64_t version, str by);
void record_add(
	struct roster_record *record, enum roster_kind kind, str name, str before, str after);
/* `previous`: the hash of the version before. */
void record_write(const struct roster_record *record, const char *previous, struct buf *out);
int record_read(
	str text, uint64_t version, struct roster_record *ret, struct why *ret_why) MUST_USE;
/* -ESTALE: it does not follow the state. */
int record_apply(
	const struct roster_record *record, struct roster *r, struct why *ret_why) MUST_USE;
/* Only the entries: there, and back. */
void record_do(const struct roster_record *record, struct roster *r);
void record_undo(const struct roster_record *record, struct roster *r);

/* --- describe.c --- */

void change_describe(const struct roster_entry_change *change, struct buf *out);

/* --- request.c: what a request comes to; pure --- */

/* What the file alone says is `base`. */
int request_resolve(const struct roster_request *q, const struct config *base,
	const struct roster *r, struct roster_record *ret, struct why *ret_why) MUST_USE;

/* --- part.c: validating one version of a large roster --- */

str user_of_tenant(str id);
/* What the record's users are in a roster that has it already, and no others: if that has no
 * faults, all of it has none through this record.  NULL: all of it must be loaded. */
struct roster *roster_part(const struct roster *r, const struct roster_record *record) MUST_USE;
/* False: a user has a host or a port of his own, which somebody else may have, too. */
bool roster_part_is_enough(const struct config *c, const struct roster_record *record);

/* --- return.c: what a return comes to --- */

int return_resolve(const struct roster_return *q, struct roster_place *p, msec until,
	const struct roster *r, struct roster_record *ret, struct why *ret_why) MUST_USE;

/* --- place.c --- */

/* 0, -ESTALE (that version exists), -EIO. */
int place_append(struct roster_place *p, uint64_t version, str text, msec until,
	struct why *ret_why) MUST_USE;
int place_prepare(struct roster_place *p, struct why *ret_why) MUST_USE;
/* Now and then a state is written, so that nobody has to read all versions. */
void place_save_state(struct roster_place *p, const struct roster *r, msec until);
