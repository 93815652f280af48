/* answer.h - the head of a response as the client gets it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/rewrite.h"

/* How the body goes to the client.  BODY_CHUNKED for a client of HTTP/1.1 when the length is not
 * known; otherwise BODY_UNTIL_CLOSE, and the connection cannot be kept. */
enum body_kind answer_framing(const struct response_head *h, unsigned client_minor);

/* The field holds a URL or a path. */
bool answer_has_places(const struct header *f);
/* For a field that holds a URL or a path: appends its new value, or appends nothing and returns
 * false if it stays as it is. */
bool answer_rewrite(struct buf *out, const struct header *f, const struct rewrite *r);

struct answer_in {
	unsigned minor;		/* the client's HTTP/1.x */
	enum body_kind framing; /* from answer_framing */
	bool keep_alive;	/* the connection takes another request after this */
	str date; /* added to a final response that has none; empty: nothing is added */
	const struct rewrite *rewrite; /* NULL: nothing is rewritten */
	str added;		       /* whole lines of ours, or empty */
};

/* Appends the head, with its empty line: a final response, an interim one (1xx), or 101.  `h` is as
 * response_head_parse filled it, the field lines still adjacent.  Order, spelling, duplicates and
 * the reason stay; what we add comes last.  Hop-by-hop fields, X-Sendfile and X-Accel-Redirect
 * (they name files of the server) never reach a client. */
void answer_head(struct buf *out, const struct response_head *h, const struct answer_in *in);
