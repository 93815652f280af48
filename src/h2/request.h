/* request.h - the fields of a request of HTTP/2 (RFC 9113 8.3), made a head of HTTP/1.1, so that
 * one parser, with its strictness, serves both.
 *
 * What must not become text is refused here: a name or value that would end its line, a field about
 * the connection, a pseudo field that is missing, repeated or unknown.  Everything else is for the
 * parser to judge. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#define H2_FIELD_OVERHEAD 32u /* RFC 9113 6.5.2 */

enum h2_pseudo {
	H2_METHOD,
	H2_SCHEME,
	H2_AUTHORITY,
	H2_PATH,
	H2_PROTOCOL, /* RFC 8441 */
	H2_NPSEUDO,
};

/* Zero is ready; it may be used again and again, by h2_request_begin. */
struct h2_request {
	struct buf fields, cookie; /* lines; the crumbs of a cookie in one */
	struct buf pseudo;	   /* the pseudo fields' values, at: */
	struct {
		size_t at, n;
	} values[H2_NPSEUDO];
	unsigned has;	/* bit 1 << enum h2_pseudo */
	size_t size;	/* names and values, and 32 for each, as SETTINGS_MAX_HEADER_LIST_SIZE
			 counts */
	bool has_field; /* one that is not a pseudo field */
	bool has_host, has_length;
	uint64_t length;  /* Content-Length; UINT64_MAX: not given */
	bool has_payload; /* Content-Length is not 0 */
};

void h2_request_begin(struct h2_request *r);
/* The next field.  False: the request is malformed (a stream error, RFC 9113 8.1.1). */
bool h2_request_add(struct h2_request *r, str name, str value) MUST_USE;
/* Appends the head, with its empty line.  0; or 400: malformed; or 501: an extended CONNECT for
 * something that is not WebSocket.
 *
 * - has_body: DATA may follow.  If its length was not given the head says `chunked`.
 * - An extended CONNECT becomes the GET that opens a WebSocket, with `key` (websocket_key) in place
 * of the one that HTTP/2 does not have. */
unsigned h2_request_end(
	const struct h2_request *r, bool has_body, str key, struct buf *out) MUST_USE;
/* An extended CONNECT (RFC 8441 4). */
static inline bool h2_request_is_extended(const struct h2_request *r)
{
	return r->has & 1u << H2_PROTOCOL;
}
/* What comes needs the chunked coding: it has a body of unknown length. */
static inline bool h2_request_is_chunked(const struct h2_request *r, bool has_body)
{
	return has_body && !r->has_length && !h2_request_is_extended(r);
}
void h2_request_done(struct h2_request *r);

/* A trailer, as a line; the decoder decides which of them may come (chunked.h).  False:
 * malformed. */
bool h2_trailer_add(struct buf *out, str name, str value) MUST_USE;
