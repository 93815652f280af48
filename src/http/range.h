/* range.h - the field Range (RFC 9110 14): which parts of a representation are asked for. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/header.h"
#include "http/method.h"

/* More ranges than this are a joke, or an attack. */
#define RANGE_MAX 200

/* Bytes offset to offset + length - 1 of a representation; length is not 0. */
struct range {
	uint64_t offset, length;
};

enum range_verdict {
	RANGE_WHOLE,	     /* no range is asked for, or the field must be ignored: 200 */
	RANGE_PARTS,	     /* 206 */
	RANGE_UNSATISFIABLE, /* well-formed, and nothing of it exists: 416 */
};

/* For tests: reads the value of Range for a representation of `size` bytes.  `out` has room for
 * RANGE_MAX; PARTS gives at least one, each within size, in the order asked for.
 *
 * - Ignored: units other than bytes, what is not well-formed (one bad range spoils all), more than
 * RANGE_MAX ranges, and ranges that together are longer than the whole (14.2).
 * - Ranges of which nothing exists are left out.  One that begins inside the one before it, or so
 * soon after its end that a part of its own would be longer than the gap, joins it. */
enum range_verdict range_read(str value, uint64_t size, struct range *out, size_t *ret_n) MUST_USE;
/* The same for the fields of a request: WHOLE unless it is GET and has one Range.  If-Range is the
 * caller's business (conditional.h). */
enum range_verdict range_of_request(const struct header *headers, size_t n, enum method method,
	uint64_t size, struct range *out, size_t *ret_n) MUST_USE;
