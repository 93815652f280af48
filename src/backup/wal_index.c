/* wal_index.c - reads the two copies of the header, which are equal unless it is being written. */
/* SPDX-License-Identifier: MIT */
#include "backup/wal_index.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

static_assert(sizeof(struct wal_index) == 48, "as SQLite writes it (wal.c, WalIndexHdr)");

bool wal_index_take(const volatile char *region, struct wal_index *ret)
{
	char copies[2][sizeof(struct wal_index)];

	for (size_t i = 0; i < 2 * sizeof(struct wal_index); i++)
		copies[i / sizeof(struct wal_index)][i % sizeof(struct wal_index)] = region[i];
	memcpy(ret, copies[0], sizeof(*ret));
	return ret->is_init && memcmp(copies[0], copies[1], sizeof(*ret)) == 0;
}

bool wal_index_read(const char *database, struct wal_index *ret)
{
	CLEAN_FREE char *path = xasprintf("%s-shm", database);
	CLEAN_FD int fd = -1;
	char bytes[2 * sizeof(struct wal_index)];

	return file_open(FILE_GIVEN, path, &fd) == 0 &&
	       pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes) && wal_index_take(bytes, ret);
}

int64_t wal_index_end(const struct wal_index *w)
{
	int64_t page = w->page_size == 1 ? 65536 : w->page_size;

	return WAL_HEADER + w->max_frame * (WAL_FRAME_HEADER + page);
}
