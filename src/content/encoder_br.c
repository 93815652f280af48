/* encoder_br.c - brotli (RFC 7932) by its reference library. */
/* SPDX-License-Identifier: MIT */
#include <brotli/encode.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "content/encoder_int.h"

#define ROOM 4096u

/* These keep an encoder at 2.2 MB and 160 KB. */
#define WINDOW_BITS	  16
#define SMALL_WINDOW_BITS 14

struct br {
	BrotliEncoderState *b; /* NULL until the body begins */
};

/* Quality 4 costs nearly as much as 5, and gives little more than 3. */
static const uint32_t qualities[NEFFORTS] = {
	[EFFORT_LOW] = 1,
	[EFFORT_MIDDLE] = 3,
	[EFFORT_HIGH] = 5,
};
#define SMALL_QUALITY 1

static void *br_open(bool is_small)
{
	(void)is_small;
	return xcalloc(1, sizeof(struct br));
}

static void br_close(void *state)
{
	struct br *s = state;

	BrotliEncoderDestroyInstance(s->b);
	free(s);
}

static void step_encoder(struct br *s, BrotliEncoderOperation op, str in, struct buf *out)
{
	const uint8_t *next_in = (const uint8_t *)in.p;
	size_t avail_in = in.n;

	do {
		size_t room = ROOM + avail_in; /* padding must find room for all of it */
		size_t left = room;
		uint8_t *to = (uint8_t *)buf_room(out, room);

		if (!BrotliEncoderCompressStream(s->b, op, &avail_in, &next_in, &left, &to, NULL))
			abort(); /* no memory, or a wrong argument of ours */
		assert(left <= room);
		buf_added(out, room - left);
	} while (avail_in || BrotliEncoderHasMoreOutput(s->b));
}

static void add_padding(struct br *s, size_t n, struct buf *out)
{
	char *text = xmalloc(n + 1);

	/* One byte more: the library (1.0.9) writes one byte of metadata wrongly. */
	padding_write(text, n + 1);
	step_encoder(s, BROTLI_OPERATION_EMIT_METADATA, (str){text, n + 1}, out);
	free(text);
}

static void br_start(void *state, const struct encoder_options *o, bool is_small, size_t padding,
	struct buf *out)
{
	struct br *s = state;

	assert(!s->b); /* it serves one body */
	s->b = BrotliEncoderCreateInstance(NULL, NULL, NULL);
	if (!s->b)
		abort();
	BrotliEncoderSetParameter(
		s->b, BROTLI_PARAM_QUALITY, is_small ? SMALL_QUALITY : qualities[o->effort]);
	BrotliEncoderSetParameter(
		s->b, BROTLI_PARAM_LGWIN, is_small ? SMALL_WINDOW_BITS : WINDOW_BITS);
	if (padding)
		add_padding(s, padding, out);
}

static BrotliEncoderOperation operation(enum encode how)
{
	switch (how) {
	case ENCODE_MORE:
		return BROTLI_OPERATION_PROCESS;
	case ENCODE_FLUSH:
		return BROTLI_OPERATION_FLUSH;
	case ENCODE_END:
		return BROTLI_OPERATION_FINISH;
	}
	abort();
}

static void br_feed(void *state, str piece, enum encode how, struct buf *out)
{
	step_encoder(state, operation(how), piece, out);
}

const struct codec codec_br = {
	.is_for_one = true,
	.memory = {2200u << 10, 160u << 10},
	.open = br_open,
	.close = br_close,
	.start = br_start,
	.feed = br_feed,
};
