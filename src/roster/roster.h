/* roster.h - the roster: changes over the users, tenants and machines of the configuration file,
 * which every machine reads and commands write.
 *
 * It is a log in the store of the backups, <backup.url>/_roster/changes/<version>, one small object
 * for each version from 1 on.  A version is written by a conditional create, by somebody who has
 * read all before it: so none is lost, none is left out, and none is ever changed.  What all of
 * them come to is the *state*: for each user, tenant and machine that was touched an entry that
 * says what is set, what is taken back, or that it is gone.  Without a backup URL the log is in a
 * directory beside the configuration file.
 *
 * A roster belongs to one thread at a time; a place may be used by any number. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/why.h"
#include "config/config.h"
#include "loop/work.h"

/* --- the state at one version; pure --- */

struct roster;

/* Version 0: it changes nothing. */
struct roster *roster_new(void) MUST_USE;
struct roster *roster_copy(const struct roster *r) MUST_USE;
void roster_free(struct roster *r);
uint64_t roster_version(const struct roster *r);
/* As JSON, for config_source.roster and to be kept.  Nothing is appended at version 0. */
void roster_write(const struct roster *r, struct buf *out);
/* What roster_write wrote: 0 (*ret is new), or -EBADMSG: damaged, or of a later fly-atc. */
int roster_parse(str text, struct roster **ret, struct why *ret_why) MUST_USE;

/* --- where it is kept --- */

struct roster_place;

/* By backup.url, or beside the file.  Borrows the configuration and work (whose work_is_stopping
 * ends waiting calls).  NULL and *ret_reason (a new text): there is no such place, as without a
 * file, or for a single application. */
struct roster_place *roster_place_new(
	const struct config *c, const struct work *work, char **ret_reason) MUST_USE;
void roster_place_free(struct roster_place *p);
/* "s3://bucket/atc/_roster", for people. */
const char *roster_place_name(const struct roster_place *p);
/* The machine has slept: idle connections to the store may be dead. */
void roster_place_forget_connections(struct roster_place *p);
/* NULL: it is in a bucket. */
const char *roster_place_directory(const struct roster_place *p);

/* The rest blocks, for the threads of work.h; `until` is a moment of clock_now. */

/* Brings r up to what is written: one conditional read if nothing is new.  The number of versions
 * that came, -EIO (no answer), or -EBADMSG (what is there cannot be understood; r is the state
 * before it). */
int roster_update(
	struct roster_place *p, struct roster *r, msec until, struct why *ret_why) MUST_USE;

/* The last known roster on this machine's disk, in server.storage: what serves while the store is
 * silent. */
int roster_keep(const struct config *c, const struct roster *r, struct why *ret_why) MUST_USE;
/* *ret_when: when it was kept, in seconds since 1970.  -ENOENT: there is none; -EBADMSG, -EIO. */
int roster_recall(const struct config *c, struct roster **ret, int64_t *ret_when,
	struct why *ret_why) MUST_USE;

/* --- writing --- */

enum roster_kind { ROSTER_USER, ROSTER_TENANT, ROSTER_MACHINE };
enum roster_verb { ROSTER_ADD, ROSTER_CHANGE, ROSTER_REMOVE };

struct roster_request {
	enum roster_kind kind;
	enum roster_verb verb;
	str name;     /* "bob", "bob/2025/winter", "m1" */
	str settings; /* a map in YAML or JSON as the file has it below that name; empty: none.  A
			 value of null takes back what is set there */
	str by;	      /* who asks, for the history */
	bool is_dry;  /* only what would happen */
};

struct roster_outcome {
	uint64_t version;	     /* that was written, or would be; 0: nothing changes */
	struct buf text;	     /* what changes, for people: a line for each entry */
	struct config_faults faults; /* of the configuration with the change: errors if -EBADMSG */
};
void roster_outcome_done(struct roster_outcome *o);

/* Validates by loading the configuration of `source` with the change, and appends it; if others
 * write at the same time, it reads theirs and tries again.  r becomes what is written.  `*ret` is
 * always to be released.
 *
 * 0, -EINVAL (it makes no sense), -EEXIST (what is to be added is there), -ENOENT (what is to be
 * changed is not), -EBADMSG (faults), -EIO (the store; nothing was written, unless ret_why says
 * that it is not known). */
int roster_commit(struct roster_place *p, const struct config_source *source, struct roster *r,
	const struct roster_request *q, msec until, struct roster_outcome *ret,
	struct why *ret_why) MUST_USE;

/* Takes back one version (only_that), or all after it; likewise.  -EBUSY: what it changed was
 * changed again later; -ENOENT: there is no such version. */
struct roster_return {
	uint64_t version;
	bool only_that;
	str by;
	bool is_dry;
};
int roster_revert(struct roster_place *p, const struct config_source *source, struct roster *r,
	const struct roster_return *q, msec until, struct roster_outcome *ret,
	struct why *ret_why) MUST_USE;

/* --- history --- */

struct roster_entry_change {
	enum roster_kind kind;
	str name;
	str before, after; /* JSON of the entry; empty: there was none */
};

struct roster_record {
	uint64_t version;
	int64_t when; /* seconds since 1970 */
	str by;
	str id;	       /* no other has it */
	str previous;  /* hash of the version before; empty in the first */
	char hash[65]; /* of this one; SHA-256 of the object */
	struct roster_entry_change *changes;
	size_t nchanges;
	struct arena *arena; /* owns the texts */
};
void roster_record_done(struct roster_record *record);
/* A line for each change, for people; values of maps are left out, which may be secrets. */
void roster_record_describe(const struct roster_record *record, struct buf *out);
/* 0, -ENOENT, -EIO, -EBADMSG. */
int roster_read_record(struct roster_place *p, uint64_t version, msec until,
	struct roster_record *ret, struct why *ret_why) MUST_USE;
/* What changed from one version to another (0: the file alone), a line for each entry, in the order
 * of their names; r is up to date.  0, -ENOENT (there is no such version), -EIO, -EBADMSG. */
int roster_diff(struct roster_place *p, const struct roster *r, uint64_t from, uint64_t to,
	msec until, struct buf *out, struct why *ret_why) MUST_USE;
