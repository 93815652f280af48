/* heads.h - what the tests of this folder share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/head.h"

#define TEST_HEADERS 16

static inline void expect_str(str got, const char *expected)
{
	if (!str_eq(got, str_of(expected)))
		fail_msg("expected \"%s\", got \"" STR_FMT "\"", expected, STR_ARG(got));
}

static inline const struct header *expect_header(
	const struct header *headers, size_t n, const char *name, const char *value)
{
	const struct header *h = header_find_name(headers, n, str_of(name));

	assert_non_null(h);
	expect_str(h->value, value);
	return h;
}

/* One call of a parser: the verdict, and what came with it. */
struct verdict {
	enum parse parse;
	size_t used;
	unsigned status;
};

typedef struct verdict head_parse_fn(void *arg, str bytes, size_t *scanned);

/* Parses the bytes whole, then from their first byte on with one more each time.  The verdict must
 * be the same; as long as the pieces are too few for it, the answer is MORE. */
static inline struct verdict parse_both_ways(head_parse_fn *parse, void *arg, str bytes)
{
	size_t scanned = 0;
	struct verdict whole, piece = {PARSE_MORE, 0, 0};

	for (size_t n = 0; n <= bytes.n && piece.parse == PARSE_MORE; n++)
		piece = parse(arg, str_slice(bytes, 0, n), &scanned);
	if (piece.parse == PARSE_OK)
		assert_int_equal(scanned, 0);
	scanned = 0;
	whole = parse(arg, bytes, &scanned);
	assert_int_equal(whole.parse, piece.parse);
	assert_int_equal(whole.used, piece.used);
	assert_int_equal(whole.status, piece.status);
	return whole;
}
