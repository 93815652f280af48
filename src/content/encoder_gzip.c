/* encoder_gzip.c - gzip (RFC 1952) by ISA-L. */
/* SPDX-License-Identifier: MIT */
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "content/encoder_int.h"

#define ROOM	  4096u
#define PIECE_MAX (1u << 30) /* the library counts in 32 bits */
#define FCOMMENT  0x10
#define OS_UNIX	  3

/* The library's own choice, 324 KiB, makes it neither faster nor better. */
#define LEVEL_BYTES	  ISAL_DEF_LVL2_SMALL
#define SMALL_LEVEL_BYTES ISAL_DEF_LVL1_MIN
static_assert(LEVEL_BYTES >= ISAL_DEF_LVL1_MIN, "enough for level 1 too");

struct gzip {
	struct isal_zstream z;
	char level_bytes[];
};

/* Level 3 takes twice the time of level 2 for the same size on pages; level 0 begins every block,
 * and so every event, with a hundred bytes. */
static const unsigned levels[NEFFORTS] = {
	[EFFORT_LOW] = 1,
	[EFFORT_MIDDLE] = 2,
	[EFFORT_HIGH] = 2,
};
#define SMALL_LEVEL 1

static void *gzip_open(bool is_small)
{
	size_t n = is_small ? SMALL_LEVEL_BYTES : LEVEL_BYTES;
	struct gzip *g = xmalloc(sizeof(*g) + n);

	isal_deflate_init(&g->z);
	g->z.gzip_flag = IGZIP_GZIP_NO_HDR; /* the trailer is the library's, the header ours */
	g->z.level_buf = (uint8_t *)g->level_bytes;
	g->z.level_buf_size = (uint32_t)n;
	return g;
}

static void gzip_start(void *state, const struct encoder_options *o, bool is_small, size_t padding,
	struct buf *out)
{
	const char header[] = {0x1f, (char)0x8b, 8, padding ? FCOMMENT : 0, 0, 0, 0, 0, 0, OS_UNIX};
	struct gzip *g = state;

	isal_deflate_reset(&g->z);
	g->z.level = is_small ? SMALL_LEVEL : levels[o->effort];
	buf_add(out, (str){header, sizeof(header)});
	if (!padding)
		return;
	padding_write(buf_room(out, padding), padding);
	buf_added(out, padding);
	buf_add_char(out, 0);
}

static void feed_one(struct gzip *g, str piece, enum encode how, struct buf *out)
{
	struct isal_zstream *z = &g->z;

	assert(piece.n <= PIECE_MAX);
	z->next_in = (uint8_t *)(uintptr_t)piece.p;
	z->avail_in = (uint32_t)piece.n;
	z->end_of_stream = how == ENCODE_END;
	z->flush = how == ENCODE_FLUSH ? SYNC_FLUSH : NO_FLUSH;
	do {
		size_t room = MIN(ROOM + piece.n / 2, PIECE_MAX);

		z->next_out = (uint8_t *)buf_room(out, room);
		z->avail_out = (uint32_t)room;
		if (isal_deflate(z) != COMP_OK)
			abort(); /* only our arguments can be wrong */
		buf_added(out, room - z->avail_out);
	} while (!z->avail_out);
}

static void gzip_feed(void *state, str piece, enum encode how, struct buf *out)
{
	while (piece.n > PIECE_MAX) {
		feed_one(state, str_slice(piece, 0, PIECE_MAX), ENCODE_MORE, out);
		piece = str_slice(piece, PIECE_MAX, piece.n);
	}
	feed_one(state, piece, how, out);
}

const struct codec codec_gzip = {
	.memory = {sizeof(struct gzip) + LEVEL_BYTES, sizeof(struct gzip) + SMALL_LEVEL_BYTES},
	.open = gzip_open,
	.close = free,
	.start = gzip_start,
	.feed = gzip_feed,
};
