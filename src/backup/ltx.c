/* ltx.c - parses LTX files as they stream in. */
/* SPDX-License-Identifier: MIT */
#include "backup/ltx.h"

#include <lz4.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"

#define PAGE_HEADER   6u
#define TRAILER	      16u
#define CHECKSUM      8u
#define FLAG_SIZE     1u /* of a page: its length follows, and an LZ4 block */
#define NO_CHECKSUM   2u /* of the file: it keeps no checksum of the whole database */
#define CHECKSUM_FLAG (1ULL << 63)
#define POLYNOMIAL    0xd800000000000000ULL /* CRC-64 of ISO 3309, bits reversed */

enum part { HEADER, PAGES, REST };

struct ltx {
	ltx_page_fn *on_page;
	void *arg;
	enum part part;
	struct buf in; /* not parsed yet; from REST on, all that follows */
	struct ltx_header header;
	char *page;
	uint32_t last_pgno;
	uint64_t crc;
};

static uint64_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
		table[i] = crc;
	}
}

static void add_to_crc(struct ltx *x, str s)
{
	uint64_t crc = ~x->crc;

	for (size_t i = 0; i < s.n; i++)
		crc = table[(unsigned char)(crc ^ (unsigned char)s.p[i])] ^ crc >> 8;
	x->crc = ~crc;
}

static uint64_t big_endian(const char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static bool is_page_size(uint64_t size)
{
	return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

int ltx_read_header(str bytes, struct ltx_header *ret)
{
	const char *p = bytes.p;
	struct ltx_header h;

	if (bytes.n < LTX_HEADER_SIZE)
		return -EBADMSG;
	if (memcmp(p, "LTX1", 4) != 0 || (big_endian(p + 4, 4) & ~(uint64_t)NO_CHECKSUM))
		return -ENOTSUP;
	h = (struct ltx_header){.page_size = (uint32_t)big_endian(p + 8, 4),
		.commit = (uint32_t)big_endian(p + 12, 4),
		.min_txid = big_endian(p + 16, 8),
		.max_txid = big_endian(p + 24, 8),
		.wal_offset = (int64_t)big_endian(p + 48, 8),
		.wal_size = (int64_t)big_endian(p + 56, 8),
		.wal_salt = {(uint32_t)big_endian(p + 64, 4), (uint32_t)big_endian(p + 68, 4)}};
	if (!is_page_size(h.page_size) || !h.min_txid || h.min_txid > h.max_txid ||
		h.wal_offset < 0 || h.wal_size < 0)
		return -EBADMSG;
	*ret = h;
	return 0;
}

struct ltx *ltx_new(ltx_page_fn *on_page, void *arg)
{
	struct ltx *x = xcalloc(1, sizeof(*x));

	pthread_once(&table_once, make_table);
	x->on_page = on_page;
	x->arg = arg;
	return x;
}

void ltx_free(struct ltx *x)
{
	if (!x)
		return;
	buf_done(&x->in);
	free(x->page);
	free(x);
}

/* The next part: 1 if there was enough of it, 0 if more bytes are needed. */
static int take_header(struct ltx *x)
{
	str in = buf_str(&x->in);
	int r;

	if (in.n < LTX_HEADER_SIZE)
		return 0;
	r = ltx_read_header(in, &x->header);
	if (r < 0)
		return r;
	add_to_crc(x, str_slice(in, 0, LTX_HEADER_SIZE));
	buf_consume(&x->in, LTX_HEADER_SIZE);
	x->page = xmalloc(x->header.page_size);
	x->part = PAGES;
	return 1;
}

static int unpack(struct ltx *x, str block, uint32_t pgno)
{
	int size = (int)x->header.page_size;
	str page = {x->page, x->header.page_size};

	if (LZ4_decompress_safe(block.p, x->page, (int)block.n, size) != size)
		return -EBADMSG;
	add_to_crc(x, page);
	x->on_page(x->arg, pgno, page);
	return 1;
}

static int take_page(struct ltx *x)
{
	str in = buf_str(&x->in);
	size_t head = PAGE_HEADER + 4, length;
	uint32_t pgno;
	unsigned flags;
	int r;

	if (in.n < PAGE_HEADER)
		return 0;
	pgno = (uint32_t)big_endian(in.p, 4);
	flags = (unsigned)big_endian(in.p + 4, 2);
	if (!pgno && !flags) {
		x->part = REST;
		return 1;
	}
	if (flags != FLAG_SIZE)
		return -ENOTSUP;
	if (pgno <= x->last_pgno || pgno > x->header.commit)
		return -EBADMSG;
	if (in.n < head)
		return 0;
	length = (size_t)big_endian(in.p + PAGE_HEADER, 4);
	if (!length || length > (size_t)LZ4_compressBound((int)x->header.page_size))
		return -EBADMSG;
	if (in.n < head + length)
		return 0;
	add_to_crc(x, str_slice(in, 0, head));
	r = unpack(x, str_slice(in, head, head + length), pgno);
	x->last_pgno = pgno;
	buf_consume(&x->in, head + length);
	return r;
}

int ltx_feed(struct ltx *x, str bytes)
{
	int r = 1;

	buf_add(&x->in, bytes);
	while (r > 0 && x->part != REST)
		r = x->part == HEADER ? take_header(x) : take_page(x);
	return MIN(r, 0);
}

/* We have no use for the index, but the checksum covers it. */
int ltx_end(struct ltx *x, struct ltx_header *ret)
{
	str in = buf_str(&x->in);

	if (x->part != REST || in.n < PAGE_HEADER + 1 + 8 + TRAILER)
		return -EBADMSG;
	add_to_crc(x, str_slice(in, 0, in.n - CHECKSUM));
	if ((x->crc | CHECKSUM_FLAG) != big_endian(in.p + in.n - CHECKSUM, CHECKSUM))
		return -EBADMSG;
	*ret = x->header;
	return 0;
}
