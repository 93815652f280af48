/* vary.h - Vary (RFC 9110 12.5.5): which fields of a request chose the response, and whether two
 * requests have the same ones (RFC 9111 4.1). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "http/header.h"

#define VARY_NAMES_MAX 16u

/* Appends the names of all lines together: in small letters, sorted, each once, joined by ','.
 * Nothing if there are none.  False: nothing was appended, and no other request can be answered
 * with this response: `*` is among them, or something that is not a name, or there are more than
 * VARY_NAMES_MAX. */
bool vary_names(struct buf *out, const struct header *headers, size_t n) MUST_USE;
/* Appends, for each of these names, the request's lines with that name in one form, so that equal
 * bytes mean a match: lines are joined, blanks around commas go; Accept, Accept-Charset,
 * Accept-Encoding and Accept-Language lose case and all blanks, and the latter two their order,
 * which says nothing.  A field that is absent is not an empty one. */
void vary_values(struct buf *out, str names, const struct header *headers, size_t n);
