/* session_int.h - what the files of the session share: session.c (what comes in),
 * output.c (what goes out, and what the owner reads). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "h2/session.h"

/* nghttp2's errors that are not the client's doing: running out of memory ends the process, and
 * everything else means that the stream or the connection has ended meanwhile. */
void h2_check(int result);
void h2_tell(struct h2_stream *st, unsigned events);
/* Gives back the part of the connection's window that was kept back. */
void h2_pay_debt(struct h2_session *s);
/* Nothing more can be sent, and nothing is read. */
static inline bool h2_is_over(const struct h2_stream *st)
{
	return st->is_gone || st->is_reset || !list_is_empty(&st->doomed);
}
/* Gives back a buffer that is empty, and larger than what most need. */
#define H2_KEPT 1024u
static inline void h2_give_back(struct buf *b)
{
	if (!buf_len(b) && b->cap > H2_KEPT)
		buf_done(b);
}
/* Sets the callbacks of output.c. */
void h2_output_callbacks(nghttp2_session_callbacks *calls);
