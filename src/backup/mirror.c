/* mirror.c - follows a replica file by file, keeping a hash for each page. */
/* SPDX-License-Identifier: MIT */
#include "backup/mirror.h"

#include <stdlib.h>

#include "backup/ltx.h"
#include "base/alloc.h"
#include "loop/loop.h"

#define FILE_LIMIT 60000u /* msec for one file of any size, as long as it moves */

struct change {
	uint32_t page;
	uint64_t hash;
};

/* One file on its way. */
struct mirror_reading {
	struct ltx *ltx;
	struct change *changes;
	size_t count, cap;
	int result;
	const atomic_bool *stop;
};

static void on_page(void *arg, uint32_t page, str content)
{
	struct mirror_reading *r = arg;

	if (r->count == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->changes = xrealloc(r->changes, r->cap * sizeof(*r->changes));
	}
	r->changes[r->count++] = (struct change){page, page_hash(page, content)};
}

/* Empty: starts at the beginning, perhaps once more. */
static int on_bytes(void *arg, str bytes)
{
	struct mirror_reading *r = arg;

	if (atomic_load(r->stop))
		return r->result = -ECANCELED;
	if (bytes.n)
		return r->result = ltx_feed(r->ltx, bytes);
	ltx_free(r->ltx);
	r->ltx = ltx_new(on_page, r);
	r->count = 0;
	return r->result = 0;
}

void touched_done(struct touched *t)
{
	free(t->is);
	*t = (struct touched){0};
}

static void touch(struct touched *t, uint32_t page)
{
	if (page > t->count) {
		uint32_t count = MAX(page, t->count * 2);

		t->is = xrealloc(t->is, count * sizeof(*t->is));
		memset(t->is + t->count, 0, (count - t->count) * sizeof(*t->is));
		t->count = count;
	}
	t->is[page - 1] = true;
}

void mirror_done(struct mirror *m)
{
	pages_done(&m->pages);
	m->txid = 0;
}

/* The first file has all pages; each has the size of the database after it. */
static int check_file(
	const struct mirror *m, const struct ltx_header *h, const struct mirror_reading *r)
{
	uint32_t lock = pages_lock_page(h->page_size);
	uint64_t all = h->commit - (h->commit >= lock);

	if (h->min_txid != m->txid + 1 || h->max_txid != h->min_txid || !h->commit)
		return -EBADMSG;
	if (!m->txid)
		return r->count == all ? 0 : -EBADMSG;
	/* A new page size changes all pages (VACUUM). */
	return h->page_size == m->pages.page_size || r->count == all ? 0 : -EBADMSG;
}

/* What was cut off is touched too: it may have come back in between. */
static void apply_file(struct mirror *m, const struct ltx_header *h, const struct mirror_reading *r,
	struct touched *touched)
{
	for (uint32_t page = h->commit + 1; touched && page <= m->pages.count; page++)
		touch(touched, page);
	for (uint32_t page = m->pages.count + 1; touched && page <= h->commit; page++)
		touch(touched, page);
	pages_resize(&m->pages, h->commit);
	m->pages.page_size = h->page_size;
	m->txid = h->max_txid;
	for (size_t i = 0; i < r->count; i++) {
		m->pages.hash[r->changes[i].page - 1] = r->changes[i].hash;
		if (touched)
			touch(touched, r->changes[i].page);
	}
}

static int take_next(struct mirror *m, struct store *s, const char *replica_key,
	const atomic_bool *stop, struct touched *touched, struct why *ret_why)
{
	CLEAN_FREE char *key = store_ltx_key(s, replica_key, m->txid + 1);
	struct mirror_reading reading = {.stop = stop};
	struct ltx_header header;
	int r = store_read(s, key, clock_now() + FILE_LIMIT, on_bytes, &reading, ret_why);

	if (reading.result < 0)
		r = reading.result;
	if (r == 0)
		r = ltx_end(reading.ltx, &header);
	if (r == 0)
		r = check_file(m, &header, &reading);
	if (r == 0)
		apply_file(m, &header, &reading, touched);
	else if (r == -EBADMSG)
		why_set(ret_why, "%s in the store is damaged", key);
	else if (r == -ENOENT)
		why_set(ret_why, "%s is not in the store", key);
	else if (r == -ENOTSUP)
		why_set(ret_why, "%s has a format that this fly-atc does not know", key);
	ltx_free(reading.ltx);
	free(reading.changes);
	return r;
}

int mirror_follow(struct mirror *m, struct store *s, const char *replica_key, uint64_t to,
	const atomic_bool *stop, struct touched *touched, struct why *ret_why)
{
	int r = 0;

	while (r == 0 && m->txid < to)
		r = atomic_load(stop) ? -ECANCELED
				      : take_next(m, s, replica_key, stop, touched, ret_why);
	return r;
}
