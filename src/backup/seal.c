/* seal.c - writes and reads a database's seal: hashes of its pages, and what the file looked
 * like. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "backup/mirror.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"

#define KEY	 0x7365616cULL
#define PAGE_MIN 512u /* bytes, in any database */

/* Then the hashes, then a hash of everything.  Only for this machine. */
struct front {
	char magic[8];
	uint64_t epoch, txid;
	struct identity identity;
	uint32_t page_size, count;
};
static const char magic[8] = "flyatc1";

static char *seal_path(const char *database)
{
	const char *slash = strrchr(database, '/');

	return xasprintf("%.*s/.%s-fly-atc", (int)(slash - database), database, slash + 1);
}

void seal_done(struct seal *s)
{
	mirror_done(&s->mirror);
	*s = (struct seal){0};
}

int seal_save(const char *base, const char *database, const struct seal *s)
{
	CLEAN_FREE char *path = seal_path(database);
	const struct pages *pages = &s->mirror.pages;
	struct front front;
	struct buf out = {0};
	CLEAN_FD int dir = -1;
	const char *rest;
	uint64_t sum;
	int r = file_open_base(base, path, &dir, &rest);

	if (r < 0)
		return r;
	memset(&front, 0, sizeof(front)); /* the gaps too */
	memcpy(front.magic, magic, sizeof(magic));
	front.epoch = s->epoch;
	front.txid = s->mirror.txid;
	front.identity = s->identity;
	front.page_size = pages->page_size;
	front.count = pages->count;
	buf_add(&out, (str){(const char *)&front, sizeof(front)});
	buf_add(&out,
		(str){(const char *)pages->hash, (size_t)pages->count * sizeof(*pages->hash)});
	sum = hash_keyed(buf_str(&out), KEY, 0);
	buf_add(&out, (str){(const char *)&sum, sizeof(sum)});
	r = file_write(dir, rest, buf_str(&out), 0600);
	buf_done(&out);
	return r;
}

static int parse(str text, struct seal *ret)
{
	struct front front;
	uint64_t sum;
	size_t hashes;

	if (text.n < sizeof(front) + sizeof(sum))
		return -ENOENT;
	memcpy(&front, text.p, sizeof(front));
	memcpy(&sum, text.p + text.n - sizeof(sum), sizeof(sum));
	hashes = (size_t)front.count * sizeof(uint64_t);
	if (memcmp(front.magic, magic, sizeof(magic)) != 0 ||
		text.n != sizeof(front) + hashes + sizeof(sum) ||
		sum != hash_keyed(str_slice(text, 0, text.n - sizeof(sum)), KEY, 0))
		return -ENOENT;
	*ret = (struct seal){.epoch = front.epoch, .identity = front.identity};
	ret->mirror.txid = front.txid;
	pages_resize(&ret->mirror.pages, front.count);
	ret->mirror.pages.page_size = front.page_size;
	if (hashes)
		memcpy(ret->mirror.pages.hash, text.p + sizeof(front), hashes);
	return 0;
}

/* Each page is in the file or in the WAL. */
static size_t longest(const struct identity *now)
{
	return sizeof(struct front) + (now->size + now->wal_size) / PAGE_MIN * sizeof(uint64_t) +
	       sizeof(uint64_t);
}

int seal_load(const char *database, const struct identity *now, struct seal *ret)
{
	CLEAN_FREE char *path = seal_path(database);
	struct buf text = {0};
	int r = file_read(FILE_GIVEN, path, longest(now), &text);

	r = r == 0 ? parse(buf_str(&text), ret) : -ENOENT;
	buf_done(&text);
	return r;
}
