/* store.h - small objects with conditional writes, in a directory or in a bucket.
 *
 * Calls block, for the threads of work.h; any number of threads may call at once.  Only a clear
 * answer of the store is -ENOENT or -ESTALE; silence, refusal, a missing bucket or directory and
 * every answer that is not understood are -EIO.  `until` is a moment of clock_now; temporary
 * failures are retried until then. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/location.h"
#include "backup/why.h"
#include "loop/work.h"

#define STORE_OBJECT_MAX (256u << 10)
#define STORE_ETAG_MAX	 128u

struct store;

struct etag {
	char text[STORE_ETAG_MAX]; /* as the store wrote it; empty: unknown */
};

/* Borrows location and work (whose work_is_stopping ends waiting calls).  NULL and *ret_reason (a
 * new text). */
struct store *store_new(
	const struct location *l, const struct work *work, char **ret_reason) MUST_USE;
void store_free(struct store *s);
/* Open connections lead nowhere any more, since this machine has slept. */
void store_forget_connections(struct store *s);
/* Makes the directory of a new store; one that was used before may be read-only.  A bucket is not
 * asked: it may be silent just now.  0, -EIO. */
int store_prepare(struct store *s, struct why *ret_why) MUST_USE;

/* Appends the object to body.  0, -ENOENT, -EIO. */
int store_get(struct store *s, const char *key, msec until, struct buf *ret_body,
	struct etag *ret_etag, struct why *ret_why) MUST_USE;
/* The next bytes of an object; empty: it begins, or begins again.  A result below 0 ends the
 * reading. */
typedef int store_sink(void *arg, str bytes);
/* An object of any size, as it arrives.  0, -ENOENT, -EIO, or what the sink returned. */
int store_read(struct store *s, const char *key, msec until, store_sink *sink, void *arg,
	struct why *ret_why) MUST_USE;
/* Litestream's file of one transaction in a replica; NUL-ended. */
char *store_ltx_key(const struct store *s, const char *replica_key, uint64_t txid) MUST_USE;
/* Creates the object (expected NULL), or replaces the one with the etag expected.  -ESTALE: it is
 * not as expected. After -EIO it may or may not have been written. */
int store_put(struct store *s, const char *key, str body, const struct etag *expected, msec until,
	struct etag *ret_etag, struct why *ret_why) MUST_USE;
/* Whether there is an object whose key begins with prefix. */
int store_has(
	struct store *s, const char *prefix, msec until, bool *ret, struct why *ret_why) MUST_USE;
/* Removes up to max objects whose keys begin with prefix.  The number removed, or -EIO. */
int store_remove(struct store *s, const char *prefix, unsigned max, msec until,
	struct why *ret_why) MUST_USE;
