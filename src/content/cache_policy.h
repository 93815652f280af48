/* cache_policy.h - what a shared cache may store, for how long, and for whom (RFC 9111, RFC 5861).
 * Pure: nothing here knows of a store. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "http/cache_control.h"
#include "http/head.h"

/* Why a response is not stored, or a stored one not used as it is: the `detail` of Cache-Status. */
enum cache_why {
#define WHY(name, text) WHY_##name,
#include "content/cache_why.def"
	NWHYS
};
/* Empty for WHY_OK. */
str cache_why_text(enum cache_why why);

/* What must be known of a stored response besides its bytes; times in seconds. */
struct cache_terms {
	int64_t age;	  /* age that it had on arrival (RFC 9111 4.2.3) */
	int64_t lifetime; /* fresh below that age */
	int64_t stale_while_revalidate, stale_if_error; /* beyond that; 0: not at all */
	bool never_stale;  /* once it is stale it must be validated, whatever happens */
	bool may_be_stale; /* the client may say that it accepts stale responses */
	bool outlives;	   /* likewise, if the tenant cannot be reached */
	bool no_cache;	   /* it must be validated each time */
	bool is_heuristic;
	bool drops_cookies; /* fields for one person, in a response for all: they are removed */
	str hidden_fields, private_fields; /* lists: fields that must not be stored with it */
	bool has_etag, has_last_modified;
	int64_t last_modified, date; /* seconds since 1970; date: when it came if it does not say */
};

struct cache_offer {
	enum cache_how how;
	enum method method;		  /* of the request */
	bool has_authorization, no_store; /* in the request */
	const struct response_head *head;
	int64_t now;   /* seconds since 1970 */
	int64_t delay; /* seconds from request to response */
};

/* WHY_OK: *ret is filled.  Size, Vary, and whether the whole body arrives are checked elsewhere. */
enum cache_why cache_may_store(const struct cache_offer *offer, struct cache_terms *ret) MUST_USE;
/* May a stored response stay after a 304 has confirmed it, whose fields are already in `head`? It
 * may be stale; but not if it has become private, or must not be stored.  *ret is filled whatever
 * the answer. */
enum cache_why cache_may_stay(const struct cache_offer *offer, struct cache_terms *ret) MUST_USE;

enum cache_use {
	CACHE_USE,	      /* as it is */
	CACHE_USE_REVALIDATE, /* as it is, but it is to be renewed meanwhile */
	CACHE_VALIDATE,	      /* only if the tenant confirms it */
};
/* What may be done with a stored response of this age.  *ret_why: why it is not used, if it is not;
 * WHY_STALE, WHY_NO_CACHE or WHY_REQUEST. */
enum cache_use cache_may_use(const struct cache_terms *terms, int64_t age,
	const struct cache_control *request, enum cache_why *ret_why) MUST_USE;
/* True if it may be used although the tenant could not answer (5xx), or (is_dead) cannot be
 * reached. */
bool cache_may_rescue(const struct cache_terms *terms, int64_t age, bool is_dead);
