/* observe.c - cheap signs first; where they say nothing, the pages. */
/* SPDX-License-Identifier: MIT */
#include "backup/observe.h"

#include <endian.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/live.h"
#include "backup/ltx.h"
#include "backup/wal_index.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/number.h"

/* Litestream's own state of a database, where it keeps the files that it made last. */
static char *state_path(const char *database, const char *tail)
{
	const char *slash = strrchr(database, '/');

	return xasprintf(
		"%.*s/.%s-litestream%s", (int)(slash - database), database, slash + 1, tail);
}

/* "0000000000000001-0000000000000001.ltx"; the later ones are greater as text too. */
static bool is_later(const char *name, const char *than)
{
	return strlen(name) == 37 && strcmp(name + 33, ".ltx") == 0 && strcmp(name, than) > 0;
}

static int read_header(int dir_fd, const char *name, struct ltx_header *ret)
{
	CLEAN_FD int fd = -1;
	char bytes[LTX_HEADER_SIZE];

	return file_open(dir_fd, name, &fd) == 0 && read(fd, bytes, sizeof(bytes)) == sizeof(bytes)
		       ? ltx_read_header((str){bytes, sizeof(bytes)}, ret)
		       : -EIO;
}

static int read_last_header(const char *database, struct ltx_header *ret)
{
	CLEAN_FREE char *directory = state_path(database, "/ltx/0");
	char last[64] = "";
	struct dirent *entry;
	DIR *dir;
	int r = file_list(FILE_GIVEN, directory, &dir);

	if (r < 0)
		return r;
	while ((entry = readdir(dir)) != NULL)
		if (is_later(entry->d_name, last))
			memcpy(last, entry->d_name, 38);
	r = *last ? read_header(dirfd(dir), last, ret) : -EIO;
	closedir(dir);
	return r;
}

/* The WAL has not been restarted since Litestream last read it: what it missed is still in it. */
static bool has_same_wal(const struct observation *o)
{
	struct ltx_header last = {0};

	return o->now.wal_size && read_last_header(o->path, &last) == 0 &&
	       last.wal_salt[0] == o->now.wal_salt[0] && last.wal_salt[1] == o->now.wal_salt[1] &&
	       (uint64_t)(last.wal_offset + last.wal_size) <= o->now.wal_size;
}

static void miss(struct observation *o, const char *why)
{
	o->result = OBSERVED_NOT;
	why_set(&o->why, "%s", why);
}

static void observe_known(struct observation *o)
{
	if (!o->registered.inode)
		return; /* there was no file yet: Litestream starts with a whole copy */
	if (o->registered.device != o->now.device || o->registered.inode != o->now.inode)
		miss(o, "it was replaced by another file");
	else if (o->registered.wal_inode && o->registered.wal_inode != o->now.wal_inode)
		miss(o, "its WAL was taken away");
	else if (o->is_continued && !has_same_wal(o))
		miss(o, "it was written to while Litestream was away");
}

/* The cheap signs differ after every access that ends a WAL; the pages decide. */
static bool has_sealed_pages(struct observation *o, const struct seal *seal)
{
	struct pages live = {0};
	uint32_t first;
	bool is = !o->is_offline && o->is_sealed && o->txid == seal->mirror.txid &&
		  live_read(o->path, o->stop, &live, NULL) == 0 &&
		  pages_differ(&live, &seal->mirror.pages, NULL, 0, &first) == 0;

	pages_done(&live);
	return is;
}

static bool is_held_by_seal(struct observation *o)
{
	struct seal seal = {0};
	bool holds;

	if (seal_load(o->path, &o->now, &seal) < 0)
		return false;
	holds = seal.epoch == o->epoch &&
		((identity_is_same(&seal.identity, &o->now) &&
			 (o->is_offline || (o->is_sealed && o->txid == seal.mirror.txid))) ||
			has_sealed_pages(o, &seal));
	if (holds) {
		o->mirror = seal.mirror;
		o->has_seal = true;
		seal.mirror = (struct mirror){0};
	}
	seal_done(&seal);
	return holds;
}

static bool has_state(const char *database)
{
	CLEAN_FREE char *path = state_path(database, "");

	return access(path, F_OK) == 0;
}

static void observe_new(struct observation *o)
{
	if (o->is_fresh || (o->is_settled && identity_is_same(&o->verified, &o->now)))
		return;
	if (o->is_unnamed && !has_state(o->path))
		return;
	if (!is_held_by_seal(o))
		miss(o, "it may have been written to while nobody watched");
}

void observe_database(struct observation *o)
{
	int r = identity_look(o->path, &o->now);

	o->result = r == -ENOENT || (r == 0 && !o->now.size) ? OBSERVED_NO_FILE : OBSERVED_ALL;
	if (r == -ENOENT && o->is_known && o->registered.inode) {
		miss(o, "its file is gone");
	} else if (r < 0 && r != -ENOENT) {
		miss(o, strerror(-r));
	} else if (o->result == OBSERVED_ALL) {
		if (o->is_known)
			observe_known(o);
		else
			observe_new(o);
	}
}

static bool is_beyond(const struct ltx_header *last, const struct wal_index *index)
{
	const uint32_t salt[] = {htobe32(last->wal_salt[0]), htobe32(last->wal_salt[1])};

	return memcmp(salt, index->salt, sizeof(index->salt)) == 0 &&
	       last->wal_offset + last->wal_size > wal_index_end(index);
}

bool observe_is_ahead(const char *path, uint64_t txid)
{
	CLEAN_FREE char *tail = xasprintf(
		"/ltx/0/%016llx-%016llx.ltx", (unsigned long long)txid, (unsigned long long)txid);
	CLEAN_FREE char *file = state_path(path, tail);
	struct ltx_header last;
	struct wal_index index;

	return read_header(FILE_GIVEN, file, &last) == 0 && wal_index_read(path, &index) &&
	       is_beyond(&last, &index);
}
