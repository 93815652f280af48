/* compressing.h - the stage that compresses an answer on its way to the client.
 *
 * Whether it does is decided by the answer alone (status, type, length, what forbids it); with what
 * is decided by the client; and the guard against BREACH may keep it from doing so. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/encoder.h"
#include "http/head.h"

struct exchange;

/* What an exchange has of it. */
struct compressing {
	enum coding wanted;   /* by the client, of those that we may use */
	enum coding coding;   /* in which the body goes out */
	bool has_credentials; /* in the request */
	bool is_settled;      /* the head has been edited */
	str known_tags;	      /* If-None-Match, if a coding is wanted */
};

/* What a thread has for it: encoders, and where their output is until it is sent. */
struct compressor;

/* Remembers what of the request's head will matter. */
void compressing_ask(struct exchange *x, const struct request_head *head);
/* The coding in which the body of this answer to this request should go out. */
enum coding compressing_choose(const struct exchange *x, const struct response_head *h);
/* Edits a final head for a body in that coding, or in the one that it has (identity).  Later
 * compressing_begin leaves it alone: for a source that has the encoded body already. */
void compressing_edit_head(struct exchange *x, struct response_head *h, enum coding coding);
/* Decides, edits the head, and puts itself on the way of the body where it is to be encoded. */
void compressing_begin(struct exchange *x, struct response_head *h);
