/* chunked.h - the chunked coding (RFC 9112 7.1): a decoder that copies nothing, and a writer. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#define CHUNKED_MAX_EXTENSION	   1024u  /* bytes of extensions on one chunk */
#define CHUNKED_MAX_EXTENSIONS	   16384u /* and in a whole body */
#define CHUNKED_MAX_TRAILERS	   8192u  /* bytes of the trailer section */
#define CHUNKED_MAX_TRAILER_FIELDS 32u

enum chunked_state {
	CHUNKED_SIZE_FIRST, /* before the first digit */
	CHUNKED_SIZE,
	CHUNKED_SIZE_BLANK, /* after the digits, in a response */
	CHUNKED_EXTENSION,
	CHUNKED_SIZE_LF,
	CHUNKED_DATA,
	CHUNKED_DATA_CR,
	CHUNKED_DATA_LF,
	CHUNKED_TRAILER_FIRST, /* before the first byte of a line */
	CHUNKED_TRAILER,
	CHUNKED_TRAILER_LF,
	CHUNKED_END_LF, /* of the empty line */
	CHUNKED_DONE,
	CHUNKED_BAD,
};

/* Zero is a decoder at the beginning of a body.  End it with chunked_done. */
struct chunked {
	bool is_mended; /* of a response; set by the caller */
	enum chunked_state state;
	unsigned digits;     /* of the size, so far */
	uint64_t left;	     /* payload of this chunk that has not come yet */
	unsigned extension;  /* bytes of this chunk's extensions */
	unsigned extensions; /* bytes of all of them */
	struct buf trailers; /* allocated only when some come */
};

/* Reads from the front of `in`; *ret_used bytes were taken, and *ret_data is the payload among
 * them, pointing into `in` (empty, p not NULL, if none).
 *
 * - MORE, data not empty: call again with the rest of `in`, if there is any.
 * - MORE, data empty: all of `in` was taken; bring more.
 * - OK: the body ended with the last byte taken, the next message follows.  No data.
 * - BAD: not chunked as RFC 9112 has it; this is final.
 *
 * Refused although the RFC would let it pass, or leaves it open: blanks around a size, more than 16
 * digits, sizes beyond INT64_MAX, a bare CR or LF anywhere, controls in extensions, trailers that
 * are too long or too many or that header_may_trail forbids.
 *
 * Where is_mended: blanks after a size pass (RFC 9112 7.1.1 has them before an extension; what is
 * written again has none), and a trailer that header_may_trail forbids, Set-Cookie for example, is
 * thrown away alone (RFC 9110 6.5.1). */
enum parse chunked_read(struct chunked *c, str in, size_t *ret_used, str *ret_data) MUST_USE;
/* Nothing in the first bytes of a response's body breaks the coding beyond mending. */
bool chunked_is_sound(str bytes);
/* For tests: payload bytes that are sure to come next without any framing; 0 unless inside a
 * chunk. */
uint64_t chunked_left(const struct chunked *c);
/* For tests: n of them were passed by the decoder, n <= chunked_left. */
void chunked_skip(struct chunked *c, uint64_t n);
/* After OK: the trailer fields as they came, each with its CRLF, without the empty line that ended
 * them.  Valid until chunked_done.  Empty if there were none. */
str chunked_trailers(const struct chunked *c);
/* Frees; the decoder is at the beginning of a body again. */
void chunked_done(struct chunked *c);

/* What goes before n > 0 bytes of payload; returns its length.  CHUNKED_CRLF goes after them. */
#define CHUNKED_SIZE_MAX 20
size_t chunked_write_size(char out[CHUNKED_SIZE_MAX], size_t n);
#define CHUNKED_CRLF STR("\r\n")
/* The end of a body: CHUNKED_LAST, the lines of trailers, CHUNKED_CRLF. */
#define CHUNKED_LAST STR("0\r\n")
