/* cache.h - the stored responses of all tenants, shared by all threads of the proxy.
 *
 * A look-up locks one of many stripes of the table for the time of a short walk, and moves nothing:
 * that an entry was used is a counter in it.  Storing, replacing, evicting and purging also take
 * one lock for the whole cache; that happens as often as tenants answer, not as often as clients
 * ask. Entries are immutable and counted, so that a body is sent without any lock.
 *
 * When room is needed, the tenant that has most (within a factor of two) gives way, so that none
 * can push out the others; S3-FIFO chooses which of its entries goes.  All of it is O(1). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "content/cache_entry.h"
#include "link/scoreboard.h"

struct cache;
struct cache_share; /* what belongs to one tenant */

/* Any thread may call all of these.  Bytes count headers, keys and what it takes to keep them. */
struct cache *cache_new(size_t capacity, size_t max_item);
/* For tests: no thread uses it any more.  The proxy keeps it to its end. */
void cache_free(struct cache *c);
/* If there is less room, entries go at once. */
void cache_resize(struct cache *c, size_t capacity, size_t max_item);
size_t cache_max_item(const struct cache *c); /* 0: nothing is stored */
/* For tests: all that is stored. */
size_t cache_bytes(struct cache *c);

/* The share of a tenant, made when it is first asked for; it lives as long as the cache.  Counters
 * go to its slot (cache_* of link/scoreboard.h).  Another tenant in the same slot gets a share of
 * its own: what the former one had is purged. */
struct cache_share *cache_share(
	struct cache *c, struct slot *slots, uint32_t slot, str tenant) MUST_USE;
/* The share in a slot, or NULL. */
struct cache_share *cache_share_at(struct cache *c, uint32_t slot);

/* What a request asks for.  Two keys are equal only if every part is. */
struct cache_target {
	str host;	 /* with its port, as it was sent */
	str path, query; /* in normal form; raw */
	bool has_query;
	str more; /* what else the tenant is told and may answer by, but does not name in Vary */
};
struct cache_key {
	struct cache_share *share;
	uint64_t hash;
	str text;
};
/* Appends the key's text to *out and gives its hash; *ret_key borrows from `out` until it grows. */
void cache_key_make(struct buf *out, struct cache_share *share, const struct cache_target *target,
	struct cache_key *ret_key);
/* The same, with another path and query. */
void cache_key_moved(struct buf *out, const struct cache_key *key, str path, str query,
	bool has_query, struct cache_key *ret_key);

/* The response stored for this key and these fields of the request, or the REFUSAL that stands in
 * its place; with a reference for the caller.  NULL: nothing, or a refusal that has expired;
 * *ret_varies says that there are responses for other fields.  `scratch` is used and left dirty. */
struct cache_entry *cache_find(struct cache *c, const struct cache_key *key,
	const struct header *headers, size_t n, msec now, struct buf *scratch,
	bool *ret_varies) MUST_USE;
/* Counts an answer for fly-atc cache. */
void cache_count(struct cache_share *s, bool is_hit);

/* Where a response with these names in Vary (vary_names) is to be stored, for the request with
 * these fields: *ret_key is `key` itself, or one made in `out`, and the selector is brought up to
 * date. */
void cache_select(struct cache *c, const struct cache_key *key, str names,
	const struct header *headers, size_t n, struct buf *out, struct cache_key *ret_key);
/* Stores it (taking a reference of its own), replacing what was there.  False: it is larger than an
 * item may be. */
bool cache_store(struct cache *c, const struct cache_key *key, struct cache_entry *e);
/* Bodies that are arriving take memory too, a quarter of the capacity at most (but room for one
 * item).  False: there is no room for n more bytes now.  What was reserved is given back by
 * cache_release. */
bool cache_reserve(struct cache *c, size_t n) MUST_USE;
void cache_release(struct cache *c, size_t n);
/* Removes it, unless it is gone already. */
void cache_drop(struct cache *c, const struct cache_entry *e);
/* Replaces `old`, unless that is gone. */
void cache_replace(struct cache *c, const struct cache_entry *old, struct cache_entry *e);
/* Adds the encoding of a body; takes it.  Nothing happens if the entry is no longer stored, has it
 * already, or would be too large with it. */
void cache_add_coded(struct cache *c, const struct cache_entry *e, unsigned coding,
	struct cache_coded *take_coded);
/* The body in that coding, or empty.  Valid as long as the entry lives. */
str cache_coded(const struct cache_entry *e, unsigned coding);

/* Removes what is stored for this key, including all responses that vary. */
void cache_forget(struct cache *c, const struct cache_key *key);
/* Removes what belongs to tenants for which is_present returns false. */
typedef bool cache_present_fn(const void *arg, str tenant);
void cache_purge_absent(struct cache *c, cache_present_fn *is_present, const void *arg);
/* Removes all of a tenant, or what it has for one path (any host, any query).  The number of
 * entries. */
size_t cache_purge(struct cache *c, struct cache_share *s, str path);
