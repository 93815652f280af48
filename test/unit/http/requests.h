/* requests.h - parsing request heads in the tests. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "heads.h"

struct request {
	struct request_head head;
	struct header store[TEST_HEADERS];
	struct head_limits limits;
};

static inline struct verdict parse_request_once(void *arg, str bytes, size_t *scanned)
{
	struct request *r = arg;
	struct verdict v = {0};

	v.parse = request_head_parse(
		&r->head, r->store, TEST_HEADERS, bytes, scanned, &r->limits, &v.used, &v.status);
	return v;
}

static inline struct verdict parse_request(struct request *r, str bytes)
{
	if (!r->limits.max_bytes)
		r->limits = HEAD_LIMITS_DEFAULT;
	return parse_both_ways(parse_request_once, r, bytes);
}

/* The bytes are exactly one good head. */
static inline const struct request_head *expect_request(struct request *r, const char *bytes)
{
	struct verdict v = parse_request(r, str_of(bytes));

	if (v.parse != PARSE_OK)
		fail_msg("refused with %u: %s", v.status, bytes);
	assert_int_equal(v.used, strlen(bytes));
	return &r->head;
}

static inline void expect_refused(str bytes, unsigned status)
{
	struct request r = {0};
	struct verdict v = parse_request(&r, bytes);

	if (v.parse != PARSE_BAD || v.status != status)
		fail_msg("expected %u, got verdict %d status %u: " STR_FMT, status, v.parse,
			v.status, STR_ARG(bytes));
	assert_null(r.head.headers);
}
