/* fuzz_encoder.c - any body in any cuts comes back from a decoder of another library. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "content/encoder.h"

static void decode_gzip(str in, char *out, size_t n)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p,
		.avail_in = (uInt)in.n,
		.next_out = (Bytef *)out,
		.avail_out = (uInt)n + 1};
	int r = inflateInit2(&z, 15 + 16);

	assert(r == Z_OK);
	r = inflate(&z, Z_FINISH);
	assert(r == Z_STREAM_END && z.total_out == n && !z.avail_in);
	inflateEnd(&z);
}

static void decode_br(str in, char *out, size_t n)
{
	size_t got = n + 1;

	assert(BrotliDecoderDecompress(in.n, (const uint8_t *)in.p, &got, (uint8_t *)out) ==
		BROTLI_DECODER_RESULT_SUCCESS);
	assert(got == n);
}

static void decode_zstd(str in, char *out, size_t n)
{
	assert(ZSTD_decompress(out, n + 1, in.p, in.n) == n);
}

static void check(str body, str encoded, enum coding coding)
{
	char *out = malloc(body.n + 1);

	assert(out);
	if (coding == CODING_GZIP)
		decode_gzip(encoded, out, body.n);
	if (coding == CODING_BR)
		decode_br(encoded, out, body.n);
	if (coding == CODING_ZSTD)
		decode_zstd(encoded, out, body.n);
	assert(!body.n || memcmp(out, body.p, body.n) == 0);
	free(out);
}

/* The first bytes choose the encoder and how often the rest is repeated; of the rest each byte says
 * how the piece that begins there is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct encoders *encoders;
	struct encoder_options o = {0};
	struct buf body = {0}, out = {0};
	struct encoder *e;
	size_t at = 0;

	if (size < 4)
		return 0;
	if (!encoders)
		encoders = encoders_new();
	for (int i = 0; i <= data[3] % 64; i++)
		buf_add(&body, fuzz_str(data + 4, size - 4));
	o.coding = CODING_GZIP + data[0] % 3;
	o.effort = data[1] % NEFFORTS;
	o.is_lasting = data[1] & 0x80;
	o.max_jitter = data[2] & 0x7f;
	o.length = data[2] & 0x80 ? buf_len(&body) : ENCODER_LENGTH_UNKNOWN;
	e = encoder_new(encoders, &o);
	assert(e);
	while (at < buf_len(&body)) {
		unsigned char c = (unsigned char)buf_str(&body).p[at];
		size_t n = 1 + (c & 0x7f) * (size_t)(c & 0x7f);

		encoder_feed(e, str_slice(buf_str(&body), at, at + n),
			c & 0x80 ? ENCODE_FLUSH : ENCODE_MORE, &out);
		at += n;
	}
	encoder_feed(e, STR_EMPTY, ENCODE_END, &out);
	encoder_free(e);
	check(buf_str(&body), buf_str(&out), o.coding);
	buf_done(&body);
	buf_done(&out);
	return 0;
}
