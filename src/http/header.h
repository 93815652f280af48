/* header.h - header fields: the names we know, and finding one among those of a message. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

enum header_id {
	HEADER_OTHER,
#define X(id, name, kind) HEADER_##id,
#include "http/header.def"
#undef X
	HEADER_NIDS
};

/* One field line.  Name and value point into the bytes that were parsed; the value has no blanks
 * around it. */
struct header {
	str name, value;
	enum header_id id;
	/* Must not be forwarded: hop-by-hop by itself, named by Connection, or, in a request, a
	 * known name with '_' for '-' (X_Forwarded_For), which CGI's environment and so Rack and
	 * WSGI cannot tell from the real one. */
	bool is_hop;
	bool is_mended; /* in a response: the line as it came is not as it should be written */
};

/* The usual spelling ("Content-Length"); empty for HEADER_OTHER. */
str header_name(enum header_id id);
/* The number of a name in any case, exactly; HEADER_OTHER for one that is not in header.def. */
enum header_id header_lookup(str name);
/* True for the fields that always belong to one connection (RFC 9110 7.6.1): Connection,
 * Keep-Alive, Proxy-* (but not Proxy), TE, Transfer-Encoding, Upgrade.  Trailer is not one:
 * trailers are forwarded, so is their announcement. */
bool header_is_hop(enum header_id id);
/* False for the known fields that a trailer section must not hold: framing, routing,
 * authentication, control, format (RFC 9110 6.5.1).  Unknown names may come. */
bool header_may_trail(enum header_id id);

/* Which of the known fields are present: made once, where many would be looked for that most
 * messages do not have. */
struct header_set {
	uint64_t bits[2];
};
static_assert(HEADER_NIDS <= 128, "a bit for each");

static inline void header_set_read(struct header_set *s, const struct header *headers, size_t n)
{
	*s = (struct header_set){0};
	for (const struct header *h = headers; h < headers + n; h++)
		s->bits[h->id / 64] |= UINT64_C(1) << h->id % 64;
}

static inline bool header_set_has(const struct header_set *s, enum header_id id)
{
	return s->bits[id / 64] >> id % 64 & 1;
}

/* The first header with that id, or NULL.  `id` is not HEADER_OTHER: for that use
 * header_find_name. */
const struct header *header_find(const struct header *headers, size_t n, enum header_id id);
/* The next one after `h`, which is one of `headers`; NULL when there are no more. */
const struct header *header_find_next(
	const struct header *headers, size_t n, enum header_id id, const struct header *h);
/* The first header with that name in any case, known or not; or NULL. */
const struct header *header_find_name(const struct header *headers, size_t n, str name);
/* The first one's value; empty (with p not NULL) when there is none. */
str header_value(const struct header *headers, size_t n, enum header_id id);
/* True if `token` is an element of the list that all fields with that id form together, in any
 * case. */
bool header_has_token(const struct header *headers, size_t n, enum header_id id, str token);
