/* record.h - what is known about a tenant's backup: HEAD in the store, and the proof beside the
 * databases.
 *
 * HEAD is the object <prefix>/<tenant>/HEAD.  It says that the tenant exists, the number of the
 * present epoch (the folder that the present owner replicates into; every restore takes the next
 * one, so that an older copy that wakes up somewhere else writes where nobody reads), and for each
 * database the epoch in which its last confirmed replica lies and the transaction that was
 * confirmed.  It changes by conditional writes only.
 *
 * The proof is the file .fly-atc.json in the tenant's directory.  Local databases are used only if
 * it names the same store and the same epoch as HEAD. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "backup/store.h"

#define RECORD_FILE ".fly-atc.json"
#define RECORD_OPEN ".fly-atc-open" /* beside it while the databases may be ahead of the store */

/* Who owns a database, and who else may use it: bits of a mode, without those that grant the file's
 * own rights (setuid and the like). */
#define RECORD_MODE 0777
struct record_owner {
	bool is_known;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct record_database {
	char *name;
	uint64_t epoch, txid;
	struct record_owner owner;
};

/* An epoch that is no longer written to, and since when (seconds since 1970). */
struct record_left {
	uint64_t epoch;
	int64_t since;
};

#define RECORD_MACHINE_SIZE 136u

struct head {
	uint64_t epoch; /* from 1; 0: there is no HEAD */
	bool is_sealed; /* the last owner has confirmed everything */
	struct record_database *databases;
	size_t ndatabases;
	struct record_left *left; /* their replicas are removed some days later */
	size_t nleft;
	char writer[64];		   /* who wrote it, as read; head_write says who we are */
	char machine[RECORD_MACHINE_SIZE]; /* likewise: on which machine of a fleet; or empty */
	/* What the supervisor noted when the prepare command had succeeded; 0: nothing. */
	uint64_t prepared;
	bool knows_files;
	uint64_t nfiles; /* beside the databases when it was last detached (beside.h) */
};

struct proof {
	char *store; /* backup.url */
	uint64_t epoch;
	char **databases; /* those that were confirmed once, and so must exist */
	size_t ndatabases;
	uint64_t next; /* 0, or the epoch that was about to be taken from here … */
	char *by; /* … and by which writer: if HEAD says the same, the files here are its files */
};

void head_done(struct head *h);
void head_copy(const struct head *from, struct head *ret);
struct record_database *head_find(const struct head *h, const char *name);
/* Adds it, or replaces its epoch and txid; what is returned is valid until the next one is added.
 */
struct record_database *head_set(struct head *h, const char *name, uint64_t epoch, uint64_t txid);
/* The epoch was left just now. */
void head_leave(struct head *h, uint64_t epoch, int64_t now);
/* The first epoch that was left at or before `until` and that no database needs; 0 if there is
 * none. */
uint64_t head_expired(const struct head *h, int64_t until);
void head_forget(struct head *h, uint64_t epoch);
/* For tests: as JSON. */
void head_write(const struct head *h, str tenant, struct buf *out);
/* For tests: 0, or -EBADMSG with the reason; keys of later versions are accepted. */
int head_read(str text, str tenant, struct head *ret, struct why *ret_why) MUST_USE;

/* Our name in HEAD: different for each process. */
const char *record_writer(void);
/* And that of the machine: before anything is written; empty: there is no fleet. */
void record_name_machine(str machine);
/* The machine of a fleet that has the tenant open, if it is another one than this; else NULL. */
const char *head_holder(const struct head *h);

void proof_done(struct proof *p);
/* The files that it stands for are the latest of HEAD. */
bool proof_holds(const struct proof *p, const struct head *h);
bool proof_names(const struct proof *p, const char *database);
/* For tests: as JSON. */
void proof_write(const struct proof *p, str tenant, struct buf *out);
/* For tests: what head_read does. */
int proof_read(str text, str tenant, struct proof *ret) MUST_USE;

/* The rest blocks.  Key of HEAD; NUL-ended. */
char *head_key(str tenant) MUST_USE;
/* 0, -ENOENT (the store answered that there is none), -EIO (no answer), -EBADMSG (not ours,
 * damaged). */
int head_load(struct store *s, str tenant, msec until, struct head *ret, struct etag *ret_etag,
	struct why *ret_why) MUST_USE;
/* Creates (etag empty) or replaces HEAD.  If the answer was lost, it finds out.  0, -ESTALE
 * (another writer changed it: load it again), -EIO. */
int head_save(struct store *s, str tenant, const struct head *h, msec until, struct etag *etag,
	struct why *ret_why) MUST_USE;
/* Writes h over HEAD where the epoch is still h's; databases that only HEAD names are kept, and
 * added to h. 0, -EREMCHG (another epoch has begun), -ESTALE (HEAD is gone), -EIO. */
int head_update(struct store *s, str tenant, struct head *h, msec until, struct etag *etag,
	struct why *ret_why) MUST_USE;

/* In the tenant's directory.  -ENOENT: no proof, or one that cannot be read. */
int proof_load(const char *dir, str tenant, struct proof *ret) MUST_USE;
/* Before HEAD takes the next epoch for the files that are here: should we die before the proof says
 * so, they are proven all the same.  -ESTALE: there is no proof of this epoch. */
int proof_announce(const char *dir, str tenant, uint64_t epoch, struct why *ret_why) MUST_USE;
/* Failures do not matter: the mark only saves waiting for the next wake (backup_catch_up). */
void proof_set_open(const char *dir, bool is_open);
bool proof_is_open(const char *dir);
/* The proof that matches h: its epoch and its databases. */
int proof_save_head(const char *dir, str tenant, const char *store_url, const struct head *h,
	struct why *ret_why) MUST_USE;
