/* http_int.h - what the parsers of this folder share: field lines. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/chars.h"
#include "http/head.h"

/* The fields that decide where a message ends have the lowest numbers in header.def. */
#define HEADER_LAST_SPECIAL HEADER_EXPECT
static_assert(HEADER_LAST_SPECIAL == 6, "header.def begins with the special fields");

/* The field lines of one message, and what they say about its connection. */
struct fields {
	struct header *headers;
	size_t n, max;
	struct head_fault fault; /* of the first that is refused */
	bool is_mended; /* in a response: what RFC 9110 and 9112 say how to repair is repaired */
	const struct header *special[HEADER_LAST_SPECIAL + 1]; /* the first field of each */
	unsigned repeated;				       /* bit 1 << id: it came again */
	bool has_close, has_keep_alive, has_upgrade;	       /* options of Connection */
};

/* Notes why, and returns the status. */
static inline unsigned head_refuse(
	struct head_fault *f, unsigned status, const char *rule, str where)
{
	*f = (struct head_fault){rule, where, -1};
	return status;
}

/* Splits [at, end) into fields.  The bytes are whole lines: every control in them is half of a
 * CRLF, and the last two bytes are one.  f->headers, f->max and f->is_mended are set, the rest is
 * zero.  0, or the status: 400, 431. */
unsigned fields_parse(struct fields *f, const char *at, const char *end) MUST_USE;
/* Reads Connection, and marks what it names.  0, or 400. */
unsigned fields_apply_connection(struct fields *f) MUST_USE;
/* Content-Length and Transfer-Encoding: at most one of them, at most once.  Neither: *ret_chunked
 * is false and *ret_length is 0.  0, or the status: 400, 501. */
unsigned fields_framing(
	struct fields *f, unsigned minor, bool *ret_chunked, uint64_t *ret_length) MUST_USE;

static inline bool fields_has(const struct fields *f, enum header_id id)
{
	return f->special[id];
}

static inline bool fields_repeats(const struct fields *f, enum header_id id)
{
	return f->repeated & 1u << id;
}

/* Looks for the empty line that ends a head, from `*scanned` on, or from `start` when that is more.
 * OK: *ret_end is the offset after it.  BAD: *ret_status is 400 (a control that is not part of a
 * CRLF), or 431 (longer than `max`). */
enum parse head_find_end(str bytes, size_t start, size_t max, size_t *scanned, size_t *ret_end,
	unsigned *ret_status, struct head_fault *ret_fault) MUST_USE;

/* "HTTP/1.0" or "HTTP/1.1": 0.  Another version: 505.  Not a version: 400. */
unsigned head_version(str text, unsigned *ret_minor) MUST_USE;

/* True for a known name in which '_' stands for '-'. */
bool header_is_alias(str name);
