/* pages.h - what a database consists of: a hash of each page.
 *
 * Two databases are the same if these are.  The hash is SipHash with a fixed key and the number of
 * the page: it guards against mistakes, not against a tenant that chooses the pages of its own
 * database. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/why.h"

/* Zero is the database without pages.  hash[n - 1] is that of page n. */
struct pages {
	uint32_t page_size, count;
	uint64_t *hash;
	uint32_t cap;
};

/* The page that SQLite never uses, where its locks are; 0 if the database does not reach it. */
uint32_t pages_lock_page(uint32_t page_size);
uint64_t page_hash(uint32_t pgno, str page);
/* As many pages as said; new ones have the hash 0. */
void pages_resize(struct pages *p, uint32_t count);
void pages_done(struct pages *p);
/* Pages that differ, other than those with skip[n - 1] set (NULL: none; pages beyond `nskip` are
 * compared).  The first of them goes to *ret_first. */
uint32_t pages_differ(const struct pages *a, const struct pages *b, const bool *skip,
	uint32_t nskip, uint32_t *ret_first);
