/* identity.h - is this still the same file, with nothing written to it? */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/why.h"

/* Cheap to get, and different after every write, rename, copy and restore.  All zero: no file. */
struct identity {
	uint64_t device, inode, wal_inode;
	uint64_t size, wal_size;
	int64_t mtime, ctime, wal_mtime; /* nanoseconds */
	uint32_t change_counter;	 /* in the header of the database */
	uint32_t wal_salt[2];		 /* a new pair each time SQLite restarts the WAL */
};

/* Blocks for a moment.  It opens the database and closes it again, and by the rules of POSIX that
 * ends every lock of this process on it: do not call it while SQLite has the file open here.  0,
 * -ENOENT (ret is zero), -errno. */
int identity_look(const char *path, struct identity *ret) MUST_USE;
/* The part that is about the WAL alone; the database is not opened. */
int identity_look_at_wal(const char *path, struct identity *id) MUST_USE;
bool identity_is_same(const struct identity *a, const struct identity *b);
/* The inode of the WAL, where none is known yet; does not open anything. */
void identity_note_wal(struct identity *id, const char *path);
