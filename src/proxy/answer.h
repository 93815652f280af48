/* answer.h - the head of a response as the client gets it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/rewrite.h"

/* How the body goes to the client.  BODY_CHUNKED for a client of HTTP/1.1 when the length is not
 * known, else BODY_UNTIL_CLOSE, after which the connection cannot be kept. */
enum body_kind answer_framing(const struct response_head *h, unsigned client_minor);

/* It speaks of places, which the application may not know. */
bool answer_has_places(const struct header *f);
/* Appends the value that a field is to have which speaks of places, or appends nothing and returns
 * false: it stays. */
bool answer_rewrite(struct buf *out, const struct header *f, const struct rewrite *r);

struct answer_in {
	unsigned minor;		/* the client's HTTP/1.x */
	enum body_kind framing; /* from answer_framing */
	bool keep_alive;	/* the connection takes another request afterwards */
	str date;		/* for a final response that has none; empty: none is added */
	const struct rewrite *rewrite; /* NULL: nothing is rewritten */
	str added;		       /* whole lines of ours, or empty */
};

/* Appends the head, with its empty line: a final response, an interim one (1xx), or 101.  `h` is as
 * response_head_parse filled it, the field lines still one behind the other.  Order, spelling,
 * duplicates and the reason stay; what we add comes last.  Hop-by-hop fields, X-Sendfile and
 * X-Accel-Redirect (they name files of the server) never reach a client. */
void answer_head(struct buf *out, const struct response_head *h, const struct answer_in *in);
