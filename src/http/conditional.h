/* conditional.h - preconditions of requests (RFC 9110 13): validators compared, in the order that
 * 13.2.2 gives. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/header.h"
#include "http/method.h"

/* What is known of the representation that would be sent. */
struct validators {
	str etag; /* as in the field: quotes, and W/ where it is weak; empty: has none */
	bool has_last_modified;
	int64_t last_modified; /* seconds since 1970 */
	int64_t date;	       /* when that was so: its Date, or now */
};

enum precondition {
	PRECONDITION_HOLDS,	   /* or there was none: send it */
	PRECONDITION_NOT_MODIFIED, /* 304 */
	PRECONDITION_FAILED,	   /* 412 */
};

/* For tests: true if both are strong and the same. */
bool etag_eq_strong(str a, str b);
/* For tests: true if they are the same but for W/. */
bool etag_eq_weak(str a, str b);
/* For tests: takes the next entity tag off a list; anything else is given as it is, up to the next
 * comma, and so is `*`.  Tags may contain commas and backslashes, which is why this is not
 * field_next.  False when there are no more. */
bool etag_next(str *rest, str *ret_tag);

/* Evaluates all of them, over several lines, for a representation that exists.  `now` is for dates
 * with two digits for the year.  Dates that cannot be read, and dates where the representation has
 * none, are no preconditions. */
enum precondition precondition_check(const struct header *headers, size_t n, enum method method,
	const struct validators *v, int64_t now) MUST_USE;
/* Only what a cache may decide (RFC 9111 4.3.2): If-None-Match, or else If-Modified-Since, of GET
 * or HEAD.  True: 304. */
bool precondition_not_modified(
	const struct header *headers, size_t n, const struct validators *v, int64_t now);
/* False: Range must be ignored and the whole be sent.  True if there is no If-Range. */
bool precondition_range_holds(
	const struct header *headers, size_t n, const struct validators *v, int64_t now);
