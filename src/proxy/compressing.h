/* compressing.h - the stage that compresses an answer on its way to the client.
 *
 * The answer decides whether it may be compressed (status, type, length, fields that forbid it).
 * The client decides with which coding.  The guard against BREACH may still forbid it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/encoder.h"
#include "http/head.h"

struct exchange;

/* What an exchange keeps for it. */
struct compressing {
	str accepted;	      /* Accept-Encoding */
	bool has_credentials; /* in the request */
	str known_tags;	      /* If-None-Match, if Accept-Encoding is there too */
};

/* What a thread keeps for it: encoders, and their output until it is sent. */
struct compressor;

/* Remembers the parts of the request's head that will matter. */
void compressing_ask(struct exchange *x, const struct request_head *head);
/* With the final head: decides, edits the head, and joins the stages of a body that is to be
 * encoded, or takes the encoding that the cache already has. */
void compressing_begin(struct exchange *x, struct response_head *h);
