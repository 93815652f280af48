/* identity.c - files told apart by what the file system and SQLite say of them. */
/* SPDX-License-Identifier: MIT */
#include "backup/identity.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/wal_index.h"
#include "base/alloc.h"
#include "base/file.h"

#define COUNTER_AT 24 /* in the header of a database */
#define SALT_AT	   16 /* in the header of a WAL */

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint32_t read_number(int fd, off_t at)
{
	unsigned char b[4];

	if (pread(fd, b, sizeof(b), at) != sizeof(b))
		return 0;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* An empty WAL is as good as none. */
int identity_look_at_wal(const char *path, struct identity *id)
{
	CLEAN_FREE char *wal = xasprintf("%s-wal", path);
	CLEAN_FD int fd = -1;
	int r = file_open(FILE_GIVEN, wal, &fd);
	struct stat st;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (fstat(fd, &st) < 0)
		return -errno;
	id->wal_inode = st.st_ino;
	if (st.st_size < WAL_HEADER)
		return 0;
	id->wal_size = (uint64_t)st.st_size;
	id->wal_mtime = nanoseconds(st.st_mtim);
	id->wal_salt[0] = read_number(fd, SALT_AT);
	id->wal_salt[1] = read_number(fd, SALT_AT + 4);
	return 0;
}

int identity_look(const char *path, struct identity *ret)
{
	CLEAN_FD int fd = -1;
	int r = file_open(FILE_GIVEN, path, &fd);
	struct identity id = {0};
	struct stat st;

	if (r == -ENOENT)
		*ret = id;
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	id.device = st.st_dev;
	id.inode = st.st_ino;
	id.size = (uint64_t)st.st_size;
	id.mtime = nanoseconds(st.st_mtim);
	id.ctime = nanoseconds(st.st_ctim);
	id.change_counter = read_number(fd, COUNTER_AT);
	r = identity_look_at_wal(path, &id);
	if (r == 0)
		*ret = id;
	return r;
}

bool identity_is_same(const struct identity *a, const struct identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->wal_size == b->wal_size && a->mtime == b->mtime && a->ctime == b->ctime &&
	       a->wal_mtime == b->wal_mtime && a->change_counter == b->change_counter &&
	       a->wal_salt[0] == b->wal_salt[0] && a->wal_salt[1] == b->wal_salt[1];
}

void identity_note_wal(struct identity *id, const char *path)
{
	CLEAN_FREE char *wal = xasprintf("%s-wal", path);
	struct stat st;

	if (!id->wal_inode && stat(wal, &st) == 0)
		id->wal_inode = st.st_ino;
}
