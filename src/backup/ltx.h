/* ltx.h - Litestream's files of transactions (LTX, format 3), read as they come.
 *
 * A file has a header, pages (each an LZ4 block), an index of the pages, and a CRC-64 of it all:
 * github.com/superfly/ltx.  It gives the new content of the pages that two transactions differ in,
 * and the size of the database after them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct ltx_header {
	uint32_t page_size, commit; /* pages of the database after it */
	uint64_t min_txid, max_txid;
	int64_t wal_offset, wal_size; /* the part of the WAL that it was made of */
	uint32_t wal_salt[2];
};

#define LTX_HEADER_SIZE 100u

struct ltx;
/* Nothing that it passes on counts until ltx_end returns 0. */
typedef void ltx_page_fn(void *arg, uint32_t pgno, str page);

/* 0, -EBADMSG (damaged), -ENOTSUP (a format that we do not know).  bytes: at least
 * LTX_HEADER_SIZE. */
int ltx_read_header(str bytes, struct ltx_header *ret) MUST_USE;

struct ltx *ltx_new(ltx_page_fn *on_page, void *arg) MUST_USE;
void ltx_free(struct ltx *x);
/* The next bytes of the file, in pieces of any size.  0, -EBADMSG, -ENOTSUP; then nothing more may
 * follow. */
int ltx_feed(struct ltx *x, str bytes) MUST_USE;
/* The file has ended: 0 if it was complete. */
int ltx_end(struct ltx *x, struct ltx_header *ret) MUST_USE;
