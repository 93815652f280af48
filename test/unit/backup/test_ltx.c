/* test_ltx.c - files that a real Litestream wrote (the fuzzer's corpus), and what is left of them.
 */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backup/ltx.h"
#include "backup/pages.h"
#include "base/alloc.h"
#include "base/file.h"

static const char *corpus;

struct seen {
	uint32_t pages[64];
	size_t count;
	uint64_t sum;
	bool has_text;
};

static void on_page(void *arg, uint32_t pgno, str page)
{
	struct seen *seen = arg;

	assert_true(seen->count < NITEMS(seen->pages));
	seen->pages[seen->count++] = pgno;
	seen->sum ^= page_hash(pgno, page);
	seen->has_text |= str_find(page, STR("second")) >= 0;
}

static struct buf load(const char *name)
{
	CLEAN_FREE char *path = xasprintf("%s/%s", corpus, name);
	struct buf text = {0};

	assert_int_equal(file_read(FILE_GIVEN, path, 1 << 20, &text), 0);
	return text;
}

static int read_all(str text, size_t piece, struct seen *seen, struct ltx_header *header)
{
	struct ltx *x = ltx_new(on_page, seen);
	int r = 0;

	*seen = (struct seen){0};
	while (text.n && r == 0) {
		size_t n = MIN(piece, text.n);

		r = ltx_feed(x, str_slice(text, 0, n));
		text = str_slice(text, n, text.n);
	}
	if (r == 0)
		r = ltx_end(x, header);
	ltx_free(x);
	return r;
}

static void a_snapshot_has_all_pages_in_order(void **state)
{
	struct buf text = load("snapshot");
	struct ltx_header h;
	struct seen seen;

	(void)state;
	for (size_t piece = 1; piece < buf_len(&text); piece = piece * 3 + 1) {
		assert_int_equal(read_all(buf_str(&text), piece, &seen, &h), 0);
		assert_int_equal(h.page_size, 512);
		assert_int_equal(h.min_txid, 1);
		assert_int_equal(h.max_txid, 1);
		assert_int_equal(seen.count, h.commit);
		for (size_t i = 0; i < seen.count; i++)
			assert_int_equal(seen.pages[i], i + 1);
		assert_false(seen.has_text);
	}
	buf_done(&text);
}

static void a_transaction_has_the_pages_that_changed(void **state)
{
	struct buf text = load("transaction");
	struct ltx_header h;
	struct seen seen;

	(void)state;
	assert_int_equal(read_all(buf_str(&text), 1000, &seen, &h), 0);
	assert_int_equal(h.min_txid, 2);
	assert_int_equal(h.max_txid, 2);
	assert_true(seen.count > 0 && seen.count < h.commit);
	assert_true(seen.has_text);
	assert_true(h.wal_offset > 0 && h.wal_size > 0 && (h.wal_salt[0] || h.wal_salt[1]));
	buf_done(&text);
}

/* Or is one that means the same to LZ4: what comes out is what was put in, or nothing. */
static void every_byte_counts(void **state)
{
	static const char *const names[] = {"snapshot", "transaction", "several"};
	struct ltx_header h;
	struct seen seen, whole;

	(void)state;
	for (size_t i = 0; i < NITEMS(names); i++) {
		struct buf text = load(names[i]);
		str s = buf_str(&text);

		assert_int_equal(read_all(s, 100, &whole, &h), 0);
		for (size_t n = 0; n < s.n; n++) {
			char *byte = text.p + text.start + n;

			assert_true(read_all(str_slice(s, 0, n), 64, &seen, &h) < 0);
			*byte = (char)(*byte ^ 0x10);
			if (read_all(s, 64, &seen, &h) == 0 && seen.sum != whole.sum)
				fail_msg("%s: byte %zu does not count", names[i], n);
			*byte = (char)(*byte ^ 0x10);
		}
		buf_done(&text);
	}
}

static void another_format_is_told_apart_from_damage(void **state)
{
	struct buf text = load("snapshot");
	struct ltx_header h;
	struct seen seen;

	(void)state;
	text.p[text.start + 3] = '2';
	assert_int_equal(read_all(buf_str(&text), 64, &seen, &h), -ENOTSUP);
	text.p[text.start + 3] = '1';
	text.p[text.start + 7] |= 4; /* a flag of the file */
	assert_int_equal(read_all(buf_str(&text), 64, &seen, &h), -ENOTSUP);
	text.p[text.start + 7] &= ~4;
	text.p[text.start + LTX_HEADER_SIZE + 5] = 0; /* the older packing of a page */
	assert_int_equal(read_all(buf_str(&text), 64, &seen, &h), -ENOTSUP);
	buf_done(&text);
}

/* Pages that are not there on one side differ; SQLite's page of locks has no content. */
static void pages_are_compared_one_by_one(void **state)
{
	struct pages a = {.page_size = 65536}, b = {.page_size = 65536};
	uint32_t lock = pages_lock_page(65536), first = 0;
	bool skip[3] = {false, true, false};

	(void)state;
	pages_resize(&a, lock + 3);
	pages_resize(&b, lock + 3);
	assert_int_equal(pages_differ(&a, &b, NULL, 0, &first), 0);
	a.hash[lock - 1] = 1;
	assert_int_equal(pages_differ(&a, &b, NULL, 0, &first), 0);
	a.hash[1] = 1;
	a.hash[lock] = 1;
	assert_int_equal(pages_differ(&a, &b, NULL, 0, &first), 2);
	assert_int_equal(first, 2);
	assert_int_equal(pages_differ(&a, &b, skip, 3, &first), 1);
	assert_int_equal(first, lock + 1);
	pages_resize(&b, lock);
	assert_int_equal(pages_differ(&a, &b, NULL, 0, &first), 4);
	b.page_size = 512;
	assert_int_equal(pages_differ(&a, &b, NULL, 0, &first), lock + 3);
	pages_done(&a);
	pages_done(&b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_has_all_pages_in_order),
		cmocka_unit_test(a_transaction_has_the_pages_that_changed),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(another_format_is_told_apart_from_damage),
		cmocka_unit_test(pages_are_compared_one_by_one),
	};

	corpus = argc > 1 ? argv[1] : ".";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
