/* asked.h - the head that was written for a tenant (forward.h), looked at and changed afterwards.
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
	str text; /* the head as it was written first, once it has been changed; before, it is the
		     request itself */
	bool is_validating; /* with these, in the place of the client's own */
	str etag, last_modified;
	bool names_no_file; /* the tenant is not told that it may name one */
};

/* As a request's, but for all that is not a field. */
void asked_head(struct arena *a, const struct asked *asked, const struct buf *request,
	struct request_head *ret);
/* The tenant is asked whether what is stored is still valid; *request is written anew. */
void asked_validate(
	struct arena *a, struct asked *asked, str etag, str last_modified, struct buf *request);
/* It is asked again, for the file itself.  False: it had not been told that it may name one. */
bool asked_without_file(struct arena *a, struct asked *asked, struct buf *request);
