/* encoder.h - compressing one body piece by piece.
 *
 * An encoder takes pieces of a body as they come and appends their encoding; after a flush nothing
 * of it is kept back.  Its memory is large and belongs to the thread: the next response reuses that
 * of a finished encoder, without allocating or clearing it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "content/coding.h"
#include "content/effort.h"

struct encoders; /* a thread's */
struct encoder;

struct encoders *encoders_new(void) MUST_USE;
/* For tests: threads keep theirs to their end.  All of its encoders must have been freed. */
void encoders_free(struct encoders *p);

#define ENCODER_LENGTH_UNKNOWN UINT64_MAX
/* Padding is at most this long, whatever was asked for. */
#define ENCODER_JITTER_MAX 65536u

struct encoder_options {
	enum coding coding; /* not identity */
	enum effort effort;
	uint64_t length;     /* of the whole body, if it is known */
	bool is_lasting;     /* it may take hours (events): uses little memory */
	unsigned max_jitter; /* bytes of padding of random length, so that the length of the output
				tells little of the content (BREACH); 0: none */
};

/* NULL when so many bodies are being compressed that the thread's memory for that (32 MiB) is used
 * up. Beyond half of it all encoders are small ones. */
struct encoder *encoder_new(struct encoders *p, const struct encoder_options *o) MUST_USE;
void encoder_free(struct encoder *e);

enum encode {
	ENCODE_MORE,  /* whenever it is convenient */
	ENCODE_FLUSH, /* all that came so far can be decoded from what went out */
	ENCODE_END,   /* and nothing more follows */
};
/* Appends to *out.  A flush without anything new since the last one appends nothing.  After
 * ENCODE_END only encoder_free may follow. */
void encoder_feed(struct encoder *e, str piece, enum encode how, struct buf *out);
