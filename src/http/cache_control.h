/* cache_control.h - Cache-Control of requests and responses (RFC 9111 5.2, RFC 5861), and the
 * fields that are meant for caches like us (RFC 9213). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/header.h"

#define CACHE_NO_VALUE	  (-1)	    /* of a number of seconds: the directive is not there */
#define CACHE_SECONDS_MAX INT32_MAX /* what is larger is this (RFC 9111 1.2.2) */

/* What all lines say together.  If a directive comes twice, the stricter one counts. */
struct cache_control {
	bool is_there;	  /* one directive at least, known or not */
	bool is_targeted; /* read from a field for caches like us: Cache-Control and Expires do not
			     count */
	bool is_garbled;  /* a quoted string has no end: there may be anything in it */
	bool no_store, no_cache, no_transform, only_if_cached;
	bool is_public, is_private, must_revalidate, proxy_revalidate, must_understand;
	bool any_max_stale; /* max-stale without a number */
	/* Seconds, or CACHE_NO_VALUE.  In a response, what is not a number is 0: stale (RFC 9111
	 * 4.2.1); in a request it counts as not given. */
	int64_t max_age, s_maxage, max_stale, min_fresh, stale_while_revalidate, stale_if_error;
	/* Names of fields, a list, in no-cache="…" and private="…"; without them the directive is
	 * for the whole response, and so it is when it comes again.  Empty: none. */
	str no_cache_fields, private_fields;
};

void cache_control_of_request(const struct header *headers, size_t n, struct cache_control *ret);
/* Fly-Atc-Cache-Control, or else CDN-Cache-Control, or else Cache-Control: the first one that is
 * there, not empty, and (for the former two) a valid structured field. */
void cache_control_of_response(const struct header *headers, size_t n, struct cache_control *ret);
