/* fuzz_ltx.c - LTX files: whatever comes, in whatever pieces; pages are in order, of one size and
 * within the database, and the pieces make no difference. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "backup/ltx.h"
#include "base/hash.h"

struct seen {
	uint32_t last;
	size_t size, count;
	uint64_t sum;
};

static void on_page(void *arg, uint32_t pgno, str page)
{
	struct seen *seen = arg;

	assert(pgno > seen->last);
	assert(page.n >= 512 && page.n <= 65536 && (!seen->size || page.n == seen->size));
	seen->last = pgno;
	seen->size = page.n;
	seen->count++;
	seen->sum ^= hash_keyed(page, pgno, 0);
}

static int read_all(str text, size_t piece, struct seen *seen)
{
	struct ltx *x = ltx_new(on_page, seen);
	struct ltx_header header;
	int r = 0;

	while (text.n && r == 0) {
		size_t n = MIN(piece, text.n);

		r = ltx_feed(x, str_slice(text, 0, n));
		text = str_slice(text, n, text.n);
	}
	if (r == 0)
		r = ltx_end(x, &header);
	if (r == 0)
		assert(seen->last <= header.commit && header.min_txid <= header.max_txid);
	ltx_free(x);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str text = fuzz_str(data, size);
	struct seen whole = {0}, pieces = {0};
	int r = read_all(text, size + 1, &whole);

	assert(read_all(text, 7, &pieces) == r);
	assert(whole.count == pieces.count && whole.sum == pieces.sum);
	return 0;
}
