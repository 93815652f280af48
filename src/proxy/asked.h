/* asked.h - the head that was written for a tenant (forward.h), read and changed after it was
 * written.
 *
 * Where its fields stand was noted when it was written: nothing is parsed.  They are those that the
 * tenant sees, ours among them, so that answers are told apart by what they were made of. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "http/head.h"
#include "proxy/forward.h"

struct asked {
	struct forward_field *fields;
	size_t nfields;
	str text; /* the head as first written, once it has been changed; until then, the request
		     itself */
	bool is_validating; /* with these instead of the client's own */
	str etag, last_modified;
	bool names_no_file; /* the tenant is not told that it may name a file */
};

/* Like the request's, but leaves out what is not a field. */
void asked_head(struct arena *a, const struct asked *asked, const struct buf *request,
	struct request_head *ret);
/* Asks the tenant whether what is stored is still valid; *request is rewritten. */
void asked_validate(
	struct arena *a, struct asked *asked, str etag, str last_modified, struct buf *request);
/* Asks again, for the file itself.  False: the tenant had not been told that it may name one. */
bool asked_without_file(struct arena *a, struct asked *asked, struct buf *request);
