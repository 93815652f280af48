/* encoder_zstd.c - zstd (RFC 8878) by libzstd. */
/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "content/encoder_int.h"

#define ROOM		4096u
#define SKIPPABLE_MAGIC 0x184d2a50u

/* Browsers are ready for windows up to 8 MiB (RFC 9659); these keep an encoder at 1.7 MB and 168
 * KB. */
#define WINDOW_LOG	 17
#define TABLE_LOG	 17
#define SMALL_WINDOW_LOG 14
#define SMALL_TABLE_LOG	 13

struct zstd {
	ZSTD_CCtx *z;
	size_t padding;
};

static const int levels[NEFFORTS] = {
	[EFFORT_LOW] = 1,
	[EFFORT_MIDDLE] = 3,
	[EFFORT_HIGH] = 6,
};
#define SMALL_LEVEL 1

static size_t sure(size_t result)
{
	if (ZSTD_isError(result))
		abort(); /* no memory, or a wrong argument of ours */
	return result;
}

static void *zstd_open(bool is_small)
{
	struct zstd *s = xcalloc(1, sizeof(*s));

	(void)is_small;
	s->z = ZSTD_createCCtx();
	if (!s->z)
		abort();
	return s;
}

static void zstd_close(void *state)
{
	struct zstd *s = state;

	ZSTD_freeCCtx(s->z);
	free(s);
}

static void set(struct zstd *s, ZSTD_cParameter parameter, int value)
{
	sure(ZSTD_CCtx_setParameter(s->z, parameter, value));
}

static void zstd_start(void *state, const struct encoder_options *o, bool is_small, size_t padding,
	struct buf *out)
{
	struct zstd *s = state;

	(void)out;
	s->padding = padding;
	sure(ZSTD_CCtx_reset(s->z, ZSTD_reset_session_and_parameters));
	set(s, ZSTD_c_compressionLevel, is_small ? SMALL_LEVEL : levels[o->effort]);
	set(s, ZSTD_c_contentSizeFlag, 0);
	set(s, ZSTD_c_checksumFlag, 0);
	if (!is_small && o->length <= 1u << WINDOW_LOG) {
		/* Tables as small as the body. */
		sure(ZSTD_CCtx_setPledgedSrcSize(s->z, o->length));
		return;
	}
	set(s, ZSTD_c_windowLog, is_small ? SMALL_WINDOW_LOG : WINDOW_LOG);
	set(s, ZSTD_c_hashLog, is_small ? SMALL_TABLE_LOG : TABLE_LOG);
	set(s, ZSTD_c_chainLog, is_small ? SMALL_TABLE_LOG : TABLE_LOG);
}

static ZSTD_EndDirective directive(enum encode how)
{
	switch (how) {
	case ENCODE_MORE:
		return ZSTD_e_continue;
	case ENCODE_FLUSH:
		return ZSTD_e_flush;
	case ENCODE_END:
		return ZSTD_e_end;
	}
	abort();
}

/* A frame that decoders skip.  It comes last: some take the end of the first frame for the end of
 * the content. */
static void add_padding(const struct zstd *s, struct buf *out)
{
	const uint32_t header[] = {htole32(SKIPPABLE_MAGIC), htole32((uint32_t)s->padding)};

	if (!s->padding)
		return;
	buf_add(out, (str){(const char *)header, sizeof(header)});
	padding_write(buf_room(out, s->padding), s->padding);
	buf_added(out, s->padding);
}

static void zstd_feed(void *state, str piece, enum encode how, struct buf *out)
{
	struct zstd *s = state;
	ZSTD_inBuffer in = {piece.p, piece.n, 0};
	size_t left;

	do {
		size_t room = ROOM + piece.n / 2;
		ZSTD_outBuffer to = {buf_room(out, room), room, 0};

		left = sure(ZSTD_compressStream2(s->z, &to, &in, directive(how)));
		assert(to.pos <= to.size && in.pos <= in.size);
		buf_added(out, to.pos);
	} while (in.pos < in.size || (how != ENCODE_MORE && left));
	if (how == ENCODE_END)
		add_padding(s, out);
}

const struct codec codec_zstd = {
	.memory = {1700u << 10, 168u << 10},
	.open = zstd_open,
	.close = zstd_close,
	.start = zstd_start,
	.feed = zstd_feed,
};
