/* pages.c - an array of hashes, one for each page. */
/* SPDX-License-Identifier: MIT */
#include "backup/pages.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"

#define LOCK_BYTE 0x40000000u
#define KEY	  0x666c792d617463ULL

uint32_t pages_lock_page(uint32_t page_size)
{
	return page_size ? LOCK_BYTE / page_size + 1 : 0;
}

uint64_t page_hash(uint32_t pgno, str page)
{
	return hash_keyed(page, KEY, pgno);
}

void pages_resize(struct pages *p, uint32_t count)
{
	if (count > p->cap) {
		uint64_t cap = MAX((uint64_t)count, (uint64_t)p->cap + p->cap / 2);

		p->cap = (uint32_t)MIN(cap, (uint64_t)UINT32_MAX);
		p->hash = xrealloc(p->hash, (size_t)p->cap * sizeof(*p->hash));
	}
	if (count > p->count)
		memset(p->hash + p->count, 0, (size_t)(count - p->count) * sizeof(*p->hash));
	p->count = count;
}

void pages_done(struct pages *p)
{
	free(p->hash);
	*p = (struct pages){0};
}

uint32_t pages_differ(const struct pages *a, const struct pages *b, const bool *skip,
	uint32_t nskip, uint32_t *ret_first)
{
	uint32_t most = MAX(a->count, b->count), lock = pages_lock_page(a->page_size), found = 0;

	if (a->page_size != b->page_size && a->count && b->count) {
		*ret_first = 1;
		return most;
	}
	for (uint32_t i = 0; i < most; i++) {
		bool is_same = i < a->count && i < b->count && a->hash[i] == b->hash[i];

		if (is_same || i + 1 == lock || (skip && i < nskip && skip[i]))
			continue;
		if (!found++)
			*ret_first = i + 1;
	}
	return found;
}
