/* head.h - heads of HTTP/1.x, strictly (RFC 9112): what is ambiguous is refused, not repaired.
 *
 * Both parsers are given all bytes since the beginning of the head, again and again as more come,
 * until they answer OK or BAD.  They allocate nothing: headers go to the caller's array, and every
 * str points into the bytes (or at a literal), so that it is valid as long as the bytes stay where
 * they are. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "http/header.h"
#include "http/method.h"

enum body_kind {
	BODY_NONE,
	BODY_LENGTH,	  /* content_length bytes; may be 0 */
	BODY_CHUNKED,	  /* chunked.h */
	BODY_UNTIL_CLOSE, /* responses only */
};

/* Why a head was refused. */
struct head_fault {
	const char *rule; /* NULL: nothing is known */
	str where;	  /* the line, or part of it; may be empty */
	int byte;	  /* the byte that is not allowed, or -1 */
};
/* One line about it, for a log or a page: the rule, the byte, and what stands there, shortened and
 * with everything escaped that is not plain text. */
str head_fault_text(struct arena *a, const struct head_fault *f);

struct request_head {
	str method_text;
	enum method method;
	unsigned minor; /* 0 or 1 */
	str target;	/* as it was sent */
	str path;	/* raw, for uri_normalise; "*" for the whole server; empty for CONNECT */
	bool has_query; /* there was a '?', even with nothing after it */
	str query;	/* without the '?' */
	str host;	/* with its port; empty if an HTTP/1.0 client named none */
	struct header *headers; /* the caller's array */
	size_t nheaders;
	enum body_kind body;
	uint64_t content_length; /* for BODY_LENGTH, else 0; at most INT64_MAX */
	bool keep_alive;
	bool expects_continue; /* in HTTP/1.1, with a body that is not known to be empty */
	bool has_upgrade;      /* HTTP/1.1, Connection: upgrade and a non-empty Upgrade */
	str upgrade;	       /* value of Upgrade if has_upgrade, else empty */
	struct head_fault fault;
};

struct response_head {
	unsigned status; /* 100 to 599 */
	unsigned minor;	 /* 0 or 1 */
	str reason;	 /* may be empty */
	struct header *headers;
	size_t nheaders;
	enum body_kind body;
	bool has_content_length;
	uint64_t content_length; /* as sent, even where no body follows (HEAD, 304); else 0 */
	bool keep_alive;	 /* the connection can be used again once the body has been read */
	bool has_upgrade;	 /* status 101: what follows is the new protocol's */
	bool is_mended;		 /* it says of its body what a 204 cannot: ignored */
	str upgrade;
	struct head_fault fault;
};

/* Bytes count from the first of the head to the empty line, all included. */
struct head_limits {
	size_t max_bytes;
	size_t max_headers; /* the array's size is a limit too */
	size_t max_target;  /* requests only */
};
#define HEAD_LIMITS_DEFAULT ((struct head_limits){65536, 128, 16384})

/* - OK: *h is filled, *ret_used bytes were the head, *scanned is 0 again.
 * - MORE: the head is not complete; *scanned remembers how far the search came.
 * - BAD: *ret_status is the answer to give; the connection cannot be used any more.  h->fault says
 * why, as long as the bytes stay where they are.
 *
 * `*scanned` starts at 0 and belongs to the connection; with it the whole work is linear in the
 * length of the head however it is cut.  The verdict does not depend on the cuts.  *h and the
 * outputs are untouched unless said here; `store` is scratch space until OK.  The statuses:
 *
 * - 400: what RFC 9112 does not allow, and of what it leaves open: Transfer-Encoding with
 *   Content-Length; either of them twice, even if equal; Transfer-Encoding in HTTP/1.0; a bare CR
 *   or LF; obs-fold; more than one empty line before the request; a Host that uri_host_is_valid
 *   does not know, or that differs from the authority of an absolute target; Connection naming a
 *   field of header.def that goes end to end.
 * - 414: a target longer than max_target.
 * - 417: an expectation other than 100-continue.
 * - 431: a head longer than max_bytes, or too many fields.
 * - 501: a transfer coding that we do not know, alone or before the final chunked.
 * - 505: a version that is neither 1.0 nor 1.1, the preface of HTTP/2 among them. */
enum parse request_head_parse(struct request_head *h, struct header *store, size_t nstore,
	str bytes, size_t *scanned, const struct head_limits *limits, size_t *ret_used,
	unsigned *ret_status) MUST_USE;

/* The same for the answer to a request with `request_method`.  An interim answer (1xx, not 101) is
 * a head without body; the final one follows.  *ret_status is always 502.  As strict as above, but
 * for what a proxy is told to repair, and is_mended marks:
 *
 * - RFC 9112 5.1: blanks between a name and its colon are taken away.
 * - RFC 9112 6.3: 204 has no body although it says Transfer-Encoding or a Content-Length; neither
 *   is forwarded, and the connection is not used again.
 * - RFC 9110 8.6: the same Content-Length several times, or in a list, is one.
 *
 * Refused as well: Transfer-Encoding other than one `chunked`, or on 1xx, or in HTTP/1.0; a
 * Content-Length other than 0 on 1xx (0 is marked is_hop, since it must not be forwarded); 1xx in
 * HTTP/1.0; 101 without Connection: upgrade and Upgrade; a status beyond 599. */
enum parse response_head_parse(struct response_head *h, struct header *store, size_t nstore,
	str bytes, size_t *scanned, const struct head_limits *limits, enum method request_method,
	size_t *ret_used, unsigned *ret_status) MUST_USE;

/* All of it lives in the arena, where its field lines are still adjacent. */
struct request_head *request_head_copy(struct arena *a, const struct request_head *h) MUST_USE;
