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
	str accepted;	      /* Accept-Encoding */
	bool has_credentials; /* in the request */
	str known_tags;	      /* If-None-Match, if there is the former */
};

/* What a thread has for it: encoders, and where their output is until it is sent. */
struct compressor;

/* Remembers what of the request's head will matter. */
void compressing_ask(struct exchange *x, const struct request_head *head);
/* With the final head: decides, edits it, and puts itself on the way of a body that is to be
 * encoded, or takes what the cache has of it encoded. */
void compressing_begin(struct exchange *x, struct response_head *h);
