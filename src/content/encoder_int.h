/* encoder_int.h - what a coding's library must do for encoder.c. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/encoder.h"

struct codec {
	/* The most memory that each takes: the usual encoder, and the small one. */
	size_t memory[2];
	/* The library cannot start again with the same memory: it serves one body; others serve any
	 * number, one after the other. */
	bool is_for_one;
	void *(*open)(bool is_small);
	void (*close)(void *state);
	/* A new body begins; nothing of an unfinished one may be left.  This many bytes of padding,
	 * if any, must go where decoders skip them. */
	void (*start)(void *state, const struct encoder_options *o, bool is_small, size_t padding,
		struct buf *out);
	void (*feed)(void *state, str piece, enum encode how, struct buf *out);
};

static inline void padding_write(char *to, size_t n)
{
	memset(to, '-', n);
}

extern const struct codec codec_gzip, codec_br, codec_zstd;
