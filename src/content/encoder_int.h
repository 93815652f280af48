/* encoder_int.h - what a coding's library must do for encoder.c. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/encoder.h"

struct codec {
	/* What one takes at most: the usual encoder, and the small one. */
	size_t memory[2];
	/* The library cannot begin again with the same memory: it is for one body, else for any
	 * number, one after the other. */
	bool is_for_one;
	void *(*open)(bool is_small);
	void (*close)(void *state);
	/* A new body begins; of one that was not finished nothing may be left.  So many bytes of
	 * padding, if any, are to be in the output where decoders pass over them. */
	void (*start)(void *state, const struct encoder_options *o, bool is_small, size_t padding,
		struct buf *out);
	void (*feed)(void *state, str piece, enum encode how, struct buf *out);
};

static inline void padding_write(char *to, size_t n)
{
	memset(to, '-', n);
}

extern const struct codec codec_gzip, codec_br, codec_zstd;
