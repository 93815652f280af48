/* encoder.c - the thread's encoders, how many there may be, and their padding. */
/* SPDX-License-Identifier: MIT */
#include "content/encoder.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/magic.h"
#include "content/encoder_int.h"

#define MEMORY_MAX (32u << 20)
#define KEPT_MAX   2 /* unused ones of each kind */

enum { ENCODER_MAGIC = MAGIC('e', 'n', 'c', 'o') };

struct encoder {
	uint32_t magic;
	struct list link; /* in kept */
	struct encoders *owner;
	const struct codec *codec;
	enum coding coding;
	bool is_small;
	bool has_begun;
	bool has_news; /* something came since the last flush */
	struct encoder_options options;
	void *state;
};

enum { ENCODERS_MAGIC = MAGIC('e', 'n', 'c', 's') };

struct encoders {
	uint32_t magic;
	size_t memory; /* of those in use */
	struct {
		struct list list;
		unsigned count;
	} kept[NCODINGS][2];
	/* Padding must not be predictable, so its lengths are a keyed hash of a counter. */
	uint64_t key[2], count;
};

static const struct codec *const codecs[NCODINGS] = {
	[CODING_GZIP] = &codec_gzip,
	[CODING_BR] = &codec_br,
	[CODING_ZSTD] = &codec_zstd,
};

struct encoders *encoders_new(void)
{
	struct encoders *p = xcalloc(1, sizeof(*p));

	MAGIC_BEGIN(p, ENCODERS_MAGIC);
	for (enum coding c = CODING_IDENTITY; c < NCODINGS; c++)
		for (int small = 0; small < 2; small++)
			list_init(&p->kept[c][small].list);
	random_bytes(p->key, sizeof(p->key));
	return p;
}

static void destroy(struct encoder *e)
{
	e->codec->close(e->state);
	MAGIC_END(e, ENCODER_MAGIC);
	free(e);
}

void encoders_free(struct encoders *p)
{
	if (!p)
		return;
	assert(!p->memory);
	for (enum coding c = CODING_IDENTITY; c < NCODINGS; c++)
		for (int small = 0; small < 2; small++)
			while (!list_is_empty(&p->kept[c][small].list))
				destroy(container_of(
					list_pop(&p->kept[c][small].list), struct encoder, link));
	MAGIC_END(p, ENCODERS_MAGIC);
	free(p);
}

/* One of those that are kept, or a new one. */
static struct encoder *take_encoder(struct encoders *p, enum coding coding, bool is_small)
{
	struct encoder *e;

	if (p->kept[coding][is_small].count) {
		p->kept[coding][is_small].count--;
		return container_of(
			list_pop(&p->kept[coding][is_small].list), struct encoder, link);
	}
	e = xcalloc(1, sizeof(*e));
	MAGIC_BEGIN(e, ENCODER_MAGIC);

	list_init(&e->link);
	e->owner = p;
	e->coding = coding;
	e->codec = codecs[coding];
	e->is_small = is_small;
	e->state = e->codec->open(is_small);
	return e;
}

static size_t padding_length(struct encoders *p, unsigned max)
{
	str count = {(const char *)&p->count, sizeof(p->count)};

	if (!max)
		return 0;
	p->count++;
	return 1 + hash_keyed(count, p->key[0], p->key[1]) % MIN(max, ENCODER_JITTER_MAX);
}

struct encoder *encoder_new(struct encoders *p, const struct encoder_options *o)
{
	const struct codec *codec = o->coding < NCODINGS ? codecs[o->coding] : NULL;
	bool is_small = o->is_lasting || p->memory > MEMORY_MAX / 2;
	struct encoder *e;

	assert(codec && o->effort < NEFFORTS);
	if (p->memory + codec->memory[is_small] > MEMORY_MAX)
		return NULL;
	p->memory += codec->memory[is_small];
	e = take_encoder(p, o->coding, is_small);
	e->options = *o;
	e->has_begun = e->has_news = false;
	return e;
}

void encoder_free(struct encoder *e)
{
	struct encoders *p;

	if (!e)
		return;
	p = e->owner;
	MAGIC_CHECK(p, ENCODERS_MAGIC);
	assert(list_is_empty(&e->link)); /* not given back already */
	assert(p->memory >= e->codec->memory[e->is_small]);
	assert(p->kept[e->coding][e->is_small].count <= KEPT_MAX);
	p->memory -= e->codec->memory[e->is_small];
	if (e->codec->is_for_one || p->kept[e->coding][e->is_small].count == KEPT_MAX) {
		destroy(e);
		return;
	}
	p->kept[e->coding][e->is_small].count++;
	list_push(&p->kept[e->coding][e->is_small].list, &e->link);
}

void encoder_feed(struct encoder *e, str piece, enum encode how, struct buf *out)
{
	MAGIC_CHECK(e, ENCODER_MAGIC);
	assert(list_is_empty(&e->link));
	if (how == ENCODE_FLUSH && !piece.n && !e->has_news)
		return;
	if (!e->has_begun)
		e->codec->start(e->state, &e->options, e->is_small,
			padding_length(e->owner, e->options.max_jitter), out);
	e->has_begun = true;
	e->has_news = how == ENCODE_MORE && (e->has_news || piece.n);
	e->codec->feed(e->state, piece, how, out);
}
