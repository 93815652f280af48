/* test_encoder.c - what is encoded is decoded again by the libraries of others, however it was cut.
 */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <brotli/decode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "content/encoder.h"

#define FIRST CODING_GZIP

/* A decoder that is given what came so far, again and again. */
struct decoder {
	enum coding coding;
	z_stream z;
	gz_header header;
	char comment[ENCODER_JITTER_MAX + 1];
	BrotliDecoderState *br;
	ZSTD_DCtx *zstd;
	struct buf out;
	bool is_complete;
	size_t skipped; /* what came behind a frame of zstd */
};

static struct decoder *decoder_new(enum coding coding)
{
	struct decoder *d = xcalloc(1, sizeof(*d));

	d->coding = coding;
	d->header.comment = (Bytef *)d->comment;
	d->header.comm_max = sizeof(d->comment);
	inflateInit2(&d->z, 15 + 16);
	inflateGetHeader(&d->z, &d->header);
	d->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	d->zstd = ZSTD_createDCtx();
	return d;
}

static void decoder_free(struct decoder *d)
{
	inflateEnd(&d->z);
	BrotliDecoderDestroyInstance(d->br);
	ZSTD_freeDCtx(d->zstd);
	buf_done(&d->out);
	free(d);
}

static void decode_gzip(struct decoder *d, str in)
{
	d->z.next_in = (Bytef *)(uintptr_t)in.p;
	d->z.avail_in = (uInt)in.n;
	do {
		int r;

		d->z.next_out = (Bytef *)buf_room(&d->out, 65536);
		d->z.avail_out = 65536;
		r = inflate(&d->z, Z_SYNC_FLUSH);
		assert_true(r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR);
		buf_added(&d->out, 65536 - d->z.avail_out);
		d->is_complete |= r == Z_STREAM_END;
	} while (!d->is_complete && !d->z.avail_out);
	assert_int_equal(d->z.avail_in, 0);
}

static void decode_br(struct decoder *d, str in)
{
	const uint8_t *next = (const uint8_t *)in.p;
	size_t left = in.n;
	BrotliDecoderResult r;

	do {
		uint8_t *to = (uint8_t *)buf_room(&d->out, 65536);
		size_t room = 65536;

		r = BrotliDecoderDecompressStream(d->br, &left, &next, &room, &to, NULL);
		assert_int_not_equal(r, BROTLI_DECODER_RESULT_ERROR);
		buf_added(&d->out, 65536 - room);
	} while (BrotliDecoderHasMoreOutput(d->br));
	d->is_complete = r == BROTLI_DECODER_RESULT_SUCCESS;
	assert_int_equal(left, 0);
}

static void decode_zstd(struct decoder *d, str in)
{
	ZSTD_inBuffer from = {in.p, in.n, 0};
	ZSTD_outBuffer to;

	do {
		size_t r;

		to = (ZSTD_outBuffer){buf_room(&d->out, 65536), 65536, 0};
		r = ZSTD_decompressStream(d->zstd, &to, &from);
		assert_false(ZSTD_isError(r));
		buf_added(&d->out, to.pos);
		if (!r && !d->is_complete) {
			d->is_complete = true;
			d->skipped = from.size - from.pos;
		}
	} while (from.pos < from.size || to.pos == to.size);
}

static void decode(struct decoder *d, str in)
{
	if (!in.n)
		return;
	if (d->coding == CODING_GZIP)
		decode_gzip(d, in);
	if (d->coding == CODING_BR)
		decode_br(d, in);
	if (d->coding == CODING_ZSTD)
		decode_zstd(d, in);
}

/* Words, zeros or noise. */
static struct buf make_body(size_t n, int kind)
{
	struct buf b = {0};

	while (buf_len(&b) < n) {
		long r = random();

		if (kind == 0)
			buf_printf(&b, "<td class=\"c%ld\">%ld %s</td>\n", r % 7, r % 1000,
				r & 1 ? "waltz" : "tango");
		else
			buf_add_char(&b, (char)(kind == 1 ? 0 : r));
	}
	b.end = b.start + n;
	return b;
}

/* Encodes in pieces of random lengths, flushes at random, and wants to read all after each flush.
 */
static void round_trip(struct encoders *p, const struct encoder_options *o, str body, size_t piece)
{
	struct encoder *e = encoder_new(p, o);
	struct decoder *d = decoder_new(o->coding);
	struct buf out = {0};
	size_t at = 0;

	assert_non_null(e);
	do {
		size_t n = piece < body.n ? (size_t)random() % piece + 1 : body.n;
		enum encode how = random() % 4 ? ENCODE_MORE : ENCODE_FLUSH;

		if (at + n >= body.n)
			how = ENCODE_END;
		encoder_feed(e, str_slice(body, at, at + n), how, &out);
		at = MIN(at + n, body.n);
		decode(d, buf_str(&out));
		buf_clear(&out);
		if (how != ENCODE_MORE)
			assert_int_equal(buf_len(&d->out), at);
		assert_int_equal(d->is_complete, how == ENCODE_END);
	} while (at < body.n);
	assert_true(str_eq(buf_str(&d->out), body));
	buf_done(&out);
	decoder_free(d);
	encoder_free(e);
}

static void bodies_come_back_however_they_are_cut(void **state)
{
	static const size_t lengths[] = {0, 1, 100, 10240, 70000, 300000};
	struct encoders *p = encoders_new();

	(void)state;
	srandom(1);
	for (int i = 0; i < 6 * 3 * 3 * 3 * 2 * 2; i++) {
		size_t n = lengths[i % 6];
		struct buf body = make_body(n, i / 6 % 3);
		struct encoder_options o = {
			.coding = FIRST + i / 18 % 3,
			.effort = i / 54 % 3,
			.is_lasting = i / 162 % 2,
			.length = i / 324 % 2 ? n : ENCODER_LENGTH_UNKNOWN,
			.max_jitter = (unsigned)random() % 40,
		};

		round_trip(p, &o, buf_str(&body), SIZE_MAX);
		round_trip(p, &o, buf_str(&body), MAX(n / 5, 1));
		if (n < 1000)
			round_trip(p, &o, buf_str(&body), 1);
		buf_done(&body);
	}
	encoders_free(p);
}

static void a_flush_without_news_is_nothing(void **state)
{
	struct encoders *p = encoders_new();

	(void)state;
	for (enum coding c = FIRST; c < NCODINGS; c++) {
		struct encoder_options o = {
			.coding = c, .length = ENCODER_LENGTH_UNKNOWN, .is_lasting = true};
		struct encoder *e = encoder_new(p, &o);
		struct buf out = {0};
		size_t before;

		encoder_feed(e, STR_EMPTY, ENCODE_FLUSH, &out);
		assert_int_equal(buf_len(&out), 0);
		encoder_feed(e, STR("data: 1\n\n"), ENCODE_FLUSH, &out);
		before = buf_len(&out);
		assert_true(before > 0);
		encoder_feed(e, STR_EMPTY, ENCODE_FLUSH, &out);
		assert_int_equal(buf_len(&out), before);
		encoder_free(e); /* unfinished, as when a client goes away */
		buf_done(&out);
	}
	encoders_free(p);
}

static void an_abandoned_body_leaves_nothing_to_the_next(void **state)
{
	struct encoders *p = encoders_new();
	struct buf body = make_body(100000, 0);

	(void)state;
	for (int i = 0; i < 60; i++) {
		struct encoder_options o = {.coding = FIRST + i % 3,
			.effort = i / 3 % 3,
			.is_lasting = i / 9 % 2,
			.length = ENCODER_LENGTH_UNKNOWN,
			.max_jitter = 10};
		struct encoder *e = encoder_new(p, &o);
		struct buf out = {0};

		encoder_feed(e, buf_str(&body), i % 2 ? ENCODE_MORE : ENCODE_FLUSH, &out);
		encoder_free(e);
		buf_done(&out);
		round_trip(p, &o, str_slice(buf_str(&body), 50000, 60000), 3000);
	}
	buf_done(&body);
	encoders_free(p);
}

/* The length of the padding that is in a body, found where its coding has it. */
static size_t padding_of(struct encoders *p, const struct encoder_options *o, str body)
{
	struct encoder *e = encoder_new(p, o);
	struct decoder *d = decoder_new(o->coding);
	struct buf out = {0}, plain = {0};
	struct encoder_options without = *o;
	size_t n = 0;

	encoder_feed(e, body, ENCODE_END, &out);
	encoder_free(e);
	decode(d, buf_str(&out));
	assert_true(str_eq(buf_str(&d->out), body));
	without.max_jitter = 0;
	e = encoder_new(p, &without);
	encoder_feed(e, body, ENCODE_END, &plain);
	encoder_free(e);
	if (o->coding == CODING_GZIP)
		n = strlen(d->comment);
	if (o->coding == CODING_ZSTD)
		n = d->skipped ? d->skipped - 8 : 0;
	if (o->coding == CODING_BR)
		n = buf_len(&out) - buf_len(&plain) - MIN(buf_len(&out) - buf_len(&plain), 3);
	assert_true(buf_len(&out) >= buf_len(&plain) + n);
	assert_true(buf_len(&out) <= buf_len(&plain) + n + 8);
	buf_done(&out);
	buf_done(&plain);
	decoder_free(d);
	return n;
}

static void padding_has_every_length_and_no_other(void **state)
{
	struct encoders *p = encoders_new();
	struct buf body = make_body(2000, 0);

	(void)state;
	for (enum coding c = FIRST; c < NCODINGS; c++) {
		struct encoder_options o = {
			.coding = c, .effort = EFFORT_LOW, .length = 2000, .max_jitter = 32};
		unsigned seen[40] = {0}, different = 0;

		for (int i = 0; i < 2000; i++) {
			size_t n = padding_of(p, &o, buf_str(&body));

			assert_in_range(n, 0, 35);
			seen[n]++;
		}
		for (size_t n = 0; n < NITEMS(seen); n++)
			different += seen[n] > 0;
		assert_int_equal(different, 32);
		o.max_jitter = 0;
		assert_int_equal(padding_of(p, &o, buf_str(&body)), 0);
		o.max_jitter = UINT32_MAX;
		assert_in_range(padding_of(p, &o, buf_str(&body)), 0, ENCODER_JITTER_MAX + 4);
	}
	buf_done(&body);
	encoders_free(p);
}

static void memory_is_bounded_and_comes_back(void **state)
{
	struct encoder *taken[1000];
	struct encoders *p = encoders_new();
	struct buf out = {0};

	(void)state;
	for (int turn = 0; turn < 2; turn++)
		for (enum coding c = FIRST; c < NCODINGS; c++) {
			struct encoder_options o = {.coding = c, .length = ENCODER_LENGTH_UNKNOWN};
			size_t n = 0;

			while (n < NITEMS(taken) && (taken[n] = encoder_new(p, &o)))
				encoder_feed(taken[n++], STR("x"), ENCODE_FLUSH, &out);
			assert_in_range(n, 50, 500);
			while (n)
				encoder_free(taken[--n]);
			buf_clear(&out);
			o.length = 10000;
			round_trip(p, &o, STR("x"), 1);
		}
	buf_done(&out);
	encoders_free(p);
	encoder_free(NULL);
	encoders_free(NULL);
}

static void a_quiet_thread_writes_less_than_a_busy_one(void **state)
{
	struct encoders *p = encoders_new();
	struct buf body = make_body(100000, 0);

	(void)state;
	for (enum coding c = FIRST; c < NCODINGS; c++) {
		size_t lengths[NEFFORTS];

		for (enum effort effort = EFFORT_LOW; effort < NEFFORTS; effort++) {
			struct encoder_options o = {
				.coding = c, .effort = effort, .length = buf_len(&body)};
			struct encoder *e = encoder_new(p, &o);
			struct buf out = {0};

			encoder_feed(e, buf_str(&body), ENCODE_END, &out);
			lengths[effort] = buf_len(&out);
			encoder_free(e);
			buf_done(&out);
		}
		assert_true(lengths[EFFORT_HIGH] < lengths[EFFORT_LOW]);
		assert_true(lengths[EFFORT_LOW] < buf_len(&body) / 4);
	}
	buf_done(&body);
	encoders_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_come_back_however_they_are_cut),
		cmocka_unit_test(a_flush_without_news_is_nothing),
		cmocka_unit_test(an_abandoned_body_leaves_nothing_to_the_next),
		cmocka_unit_test(padding_has_every_length_and_no_other),
		cmocka_unit_test(memory_is_bounded_and_comes_back),
		cmocka_unit_test(a_quiet_thread_writes_less_than_a_busy_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
