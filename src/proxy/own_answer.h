/* own_answer.h - what all answers that we make ourselves have in common: status line, connection,
 * length. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

struct own_answer {
	unsigned status;
	unsigned minor; /* the client's HTTP/1.x */
	bool keep_alive;
	bool is_head; /* a HEAD request: the length is told, the body is not sent */
	str date;     /* may be empty */
};

/* Appends the status line and the fields that all have; nothing of ours is ever stored by a cache.
 * More fields may follow. */
void own_answer_begin(struct buf *out, const struct own_answer *a);
/* Ends the head.  What is appended from now on is the body; its length is filled in at the end.
 * *ret_body is where the body begins, in bytes from the buffer's first. */
void own_answer_body(struct buf *out, size_t *ret_body);
void own_answer_end(struct buf *out, const struct own_answer *a, size_t body);
/* Ends an answer without a body. */
void own_answer_empty(struct buf *out);

#define OWN_TYPE_HTML                                                                              \
	STR("Content-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n")
