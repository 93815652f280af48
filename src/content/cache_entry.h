/* cache_entry.h - a stored response: made once, never changed, shared by all that send it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "base/magic.h"
#include "content/cache_policy.h"

#define CACHE_CODINGS                                                                              \
	4 /* enum coding of content/coding.h; the first, identity, is the body itself */

struct cache_share;

enum { CACHE_BODY_MAGIC = MAGIC('b', 'o', 'd', 'y') };

/* The bytes, which several entries may share: those made from one another by a 304. */
struct cache_body {
	uint32_t magic;
	_Atomic unsigned refs;
	str bytes;
	/* The same, encoded; each is set at most once, while an entry with this body is stored. */
	_Atomic(struct cache_coded *) coded[CACHE_CODINGS];
};

struct cache_coded {
	size_t n;
	char bytes[];
};

enum cache_kind {
	CACHE_RESPONSE,
	CACHE_SELECTOR, /* which fields choose among the responses of this URL */
	CACHE_REFUSAL,	/* responses of this URL are not stored: nobody waits for one */
};

enum { CACHE_ENTRY_MAGIC = MAGIC('e', 'n', 't', 'r') };

struct cache_entry {
	uint32_t magic;
	struct {
		/* of the store */
		_Atomic unsigned refs;
		_Atomic unsigned uses;	  /* since it was last looked at, at most 3 */
		struct cache_entry *next; /* with the same place in the table */
		struct list queue;
		struct cache_share *share;
		bool is_stored, is_main;
		size_t size; /* counted for it */
	} store;

	enum cache_kind kind;
	uint64_t hash;
	str key;
	str names;	 /* in a SELECTOR: as vary_names gives them */
	uint64_t number; /* in a SELECTOR: part of the keys of its responses */
	msec until;	 /* in a REFUSAL: monotonic */

	_Atomic bool is_renewed; /* the tenant is being asked about it already */
	unsigned status;
	str reason;
	const struct header *headers; /* adjacent lines, as in a head */
	size_t nheaders;
	str etag, last_modified;  /* as written there, or empty */
	str type;		  /* Content-Type */
	struct cache_terms terms; /* without its strings */
	msec came;		  /* monotonic */
	int64_t came_wall;	  /* milliseconds since 1970 */
	struct cache_body *body;
	char text[]; /* key, reason and header lines */
};

/* Takes the bytes, which free() can free; n of them. */
struct cache_body *cache_body_new(char *take_bytes, size_t n) MUST_USE;

struct cache_moment {
	msec now;     /* monotonic */
	int64_t wall; /* milliseconds since 1970 */
};

/* A response of which one reference is the caller's.  Fields that belong to one connection, Age,
 * our own, and those that `terms` hides are left out.  Takes the body's reference. */
struct cache_entry *cache_response_new(str key, const struct response_head *h,
	const struct cache_terms *terms, const struct cache_moment *at,
	struct cache_body *take_body) MUST_USE;
/* What a 304 makes of a stored response (RFC 9111 3.2): its fields take the place of those with the
 * same names, the body stays.  The new one's terms are read from what comes out.
 *
 * *ret_why is WHY_OK: it may take the old one's place.  Otherwise it is only for the client that
 * asked, and the old one must go (but stays for WHY_REQUEST_NO_STORE): the 304 makes it private, or
 * lets it vary by something else.  NULL: WHY_TOO_LARGE, it has grown beyond what an answer may
 * have; a tenant that adds fields with each 304 would let it grow without end. */
struct cache_entry *cache_response_renewed(const struct cache_entry *old,
	const struct response_head *not_modified, const struct cache_offer *offer,
	const struct cache_moment *at, const struct head_limits *limits,
	enum cache_why *ret_why) MUST_USE;
struct cache_entry *cache_selector_new(str key, str names, uint64_t number) MUST_USE;
struct cache_entry *cache_refusal_new(str key, msec until) MUST_USE;

struct cache_entry *cache_entry_ref(struct cache_entry *e);
/* Accepts NULL. */
void cache_entry_unref(struct cache_entry *e);

/* Seconds.  Counted by both clocks: the monotonic one stands still while the machine is suspended,
 * the other one may be set back. */
int64_t cache_entry_age(const struct cache_entry *e, const struct cache_moment *at);
