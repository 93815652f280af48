/* fuzz_chunked.c - chunked bodies: the payload does not depend on cuts, and survives being written
 * and read again, as strictly as can be. The first byte is the size of the pieces, and whether it
 * is a response's. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "http/chunked.h"

struct body {
	struct chunked c;
	struct buf payload;
	enum parse parse;
	size_t used;
};

/* Gives `in` in pieces of `step` bytes. */
static void read_body(struct body *b, str in, size_t step)
{
	b->parse = PARSE_MORE;
	for (size_t given = 0; b->parse == PARSE_MORE && given < in.n;) {
		str data = STR_EMPTY;

		given = MIN(given + step, in.n);
		do {
			size_t used;
			str piece = str_slice(in, b->used, given);

			b->parse = chunked_read(&b->c, piece, &used, &data);
			if (b->parse == PARSE_BAD)
				break;
			assert(used <= piece.n && data.n <= used);
			assert(!data.n || (data.p >= piece.p && data.p + data.n <= piece.p + used));
			assert(b->parse == PARSE_MORE || !data.n);
			b->used += used;
			buf_add(&b->payload, data);
		} while (b->parse == PARSE_MORE && data.n);
		assert(b->parse != PARSE_MORE || b->used == given);
	}
}

static void body_done(struct body *b)
{
	buf_done(&b->payload);
	chunked_done(&b->c);
}

static void check_same(const struct body *a, const struct body *b)
{
	assert(a->parse == b->parse);
	assert(str_eq(buf_str(&a->payload), buf_str(&b->payload)));
	if (a->parse != PARSE_OK)
		return;
	assert(str_eq(chunked_trailers(&a->c), chunked_trailers(&b->c)));
}

static void check_written_again(const struct body *first)
{
	struct buf written = {0};
	struct body again = {0};
	char size[CHUNKED_SIZE_MAX];

	if (buf_len(&first->payload)) {
		buf_add(&written, (str){size, chunked_write_size(size, buf_len(&first->payload))});
		buf_add(&written, buf_str(&first->payload));
		buf_add(&written, CHUNKED_CRLF);
	}
	buf_add(&written, CHUNKED_LAST);
	buf_add(&written, chunked_trailers(&first->c));
	buf_add(&written, CHUNKED_CRLF);
	read_body(&again, buf_str(&written), buf_len(&written));
	check_same(first, &again);
	assert(again.used == buf_len(&written));
	body_done(&again);
	buf_done(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = size ? data[0] + 1u : 1;
	str in = str_slice(fuzz_str(data, size), 1, size);
	bool is_mended = size && data[0] & 0x80;
	struct body whole = {.c.is_mended = is_mended}, pieces = {.c.is_mended = is_mended},
		    bytes = {.c.is_mended = is_mended};

	read_body(&whole, in, MAX(in.n, 1));
	read_body(&pieces, in, step);
	read_body(&bytes, in, 1);
	check_same(&whole, &pieces);
	check_same(&whole, &bytes);
	if (whole.parse == PARSE_OK) {
		assert(whole.used == pieces.used && whole.used == bytes.used);
		assert(!chunked_left(&whole.c));
		check_written_again(&whole);
	}
	body_done(&whole);
	body_done(&pieces);
	body_done(&bytes);
	return 0;
}
