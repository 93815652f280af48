/* heads.h - what the tests of this folder share: heads taken apart, and tenants. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "http/head.h"
#include "proxy/trust.h"
#include "route/table.h"

#define TEST_HEADERS 64

static inline void expect_str(str got, const char *expected)
{
	if (!str_eq(got, str_of(expected)))
		fail_msg("expected \"%s\", got \"" STR_FMT "\"", expected, STR_ARG(got));
}

/* The bytes are in memory of their own, so that the sanitizer sees who reads beyond them. */
struct request {
	char *bytes;
	struct request_head head;
	struct header store[TEST_HEADERS];
};

static inline void request_open(struct request *r, str bytes)
{
	const struct head_limits limits = {1 << 20, TEST_HEADERS, 1 << 16};
	size_t scanned = 0, used = 0;
	unsigned status = 0;

	r->bytes = xmalloc(bytes.n);
	memcpy(r->bytes, bytes.p, bytes.n);
	if (request_head_parse(&r->head, r->store, TEST_HEADERS, (str){r->bytes, bytes.n}, &scanned,
		    &limits, &used, &status) != PARSE_OK)
		fail_msg("refused with %u: " STR_FMT, status, STR_ARG(bytes));
	assert_int_equal(used, bytes.n);
}

static inline void request_close(struct request *r)
{
	free(r->bytes);
}

struct response {
	char *bytes;
	struct response_head head;
	struct header store[TEST_HEADERS];
	str body; /* what stands behind the head */
};

static inline void response_open(struct response *r, str bytes, enum method method)
{
	const struct head_limits limits = {1 << 20, TEST_HEADERS, 1 << 16};
	size_t scanned = 0, used = 0;
	unsigned status = 0;

	r->bytes = xmalloc(bytes.n);
	memcpy(r->bytes, bytes.p, bytes.n);
	if (response_head_parse(&r->head, r->store, TEST_HEADERS, (str){r->bytes, bytes.n},
		    &scanned, &limits, method, &used, &status) != PARSE_OK)
		fail_msg("refused: " STR_FMT, STR_ARG(bytes));
	r->body = (str){r->bytes + used, bytes.n - used};
}

static inline void response_close(struct response *r)
{
	free(r->bytes);
}

static inline str request_field(const struct request *r, const char *name)
{
	const struct header *h = header_find_name(r->store, r->head.nheaders, str_of(name));

	return h ? h->value : STR_EMPTY;
}

static inline str response_field(const struct response *r, const char *name)
{
	const struct header *h = header_find_name(r->store, r->head.nheaders, str_of(name));

	return h ? h->value : STR_EMPTY;
}

static const struct app_conf pass_app = {.prefix = PREFIX_PASS},
			     strip_app = {.prefix = PREFIX_STRIP};

static const struct tenant_conf tenant_root = {
	.id = STR_INIT("main"), .prefix = STR_INIT(""), .host = STR_INIT(""), .app = &strip_app};
static const struct tenant_conf tenant_pass = {.id = STR_INIT("b/winter"),
	.prefix = STR_INIT("/b/winter"),
	.host = STR_INIT(""),
	.app = &pass_app};
static const struct tenant_conf tenant_strip = {.id = STR_INIT("b/summer"),
	.prefix = STR_INIT("/b/summer"),
	.host = STR_INIT(""),
	.app = &strip_app};
static const struct tenant_conf tenant_host = {.id = STR_INIT("b/host"),
	.prefix = STR_INIT(""),
	.host = STR_INIT("b.example.com"),
	.app = &strip_app};

/* A small generator that gives the same numbers each time. */
static inline uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}
