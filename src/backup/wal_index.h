/* wal_index.h - the header of SQLite's WAL-index: which part of the WAL is committed.
 *
 * It is in the file NAME-shm, in the byte order of the machine (sqlite.org/walformat.html). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct wal_index {
	uint32_t version, unused, change;
	uint8_t is_init, is_big_endian;
	uint16_t page_size; /* 1: 65536 */
	uint32_t max_frame, pages;
	uint32_t frame_checksum[2];
	uint8_t salt[8]; /* of each frame, as it is in the WAL */
	uint32_t checksum[2];
};
#define WAL_HEADER	 32
#define WAL_FRAME_HEADER 24

/* From the index in memory.  False while it is being written, and if there is none. */
bool wal_index_take(const volatile char *region, struct wal_index *ret);
/* Of the database's file NAME-shm; blocks for a moment.  It opens and closes that file, which ends
 * the locks of this process on it: not while SQLite has the database open here.  False as above. */
bool wal_index_read(const char *database, struct wal_index *ret);
/* The offset in the WAL at which what is committed ends. */
int64_t wal_index_end(const struct wal_index *w);
