/* live.c - a snapshot of a database, page by page, in little memory.
 *
 * SQLite opens the snapshot; we read its pages ourselves, through SQLite's own file handles: from
 * the WAL up to the frame that the WAL-index names, and the others from the file
 * (sqlite.org/walformat.html).  While a snapshot is open, nothing writes to the pages that it
 * consists of. */
/* SPDX-License-Identifier: MIT */
#include "backup/live.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "backup/wal_index.h"
#include "base/alloc.h"

#define BUSY_TIMEOUT 5000 /* msec: only SQLite's recovery of a WAL locks readers out */
#define MAX_TRIES    200  /* how long to try for a moment in which nobody commits */
#define LOOK_AT_STOP 256u /* pages */

#define INDEX_BACKFILLED 96 /* offset of the number of frames that were copied back */
#define INDEX_REGION	 32768

struct live {
	sqlite3 *db;
	sqlite3_file *file, *wal;
	const atomic_bool *stop;
	struct why *why;
	uint32_t page_size, count;
	uint32_t max_frame; /* 0: all is in the file */
	uint8_t salt[8];    /* of each frame */
	uint32_t *frame_of; /* by page; 0: in the file */
	char *page;
};

static int fail_reading(struct live *l, const char *what)
{
	why_set(l->why, "cannot read the database's pages: %s: %s", what,
		l->db ? sqlite3_errmsg(l->db) : "out of memory");
	return -EIO;
}

static int run_sql(struct live *l, const char *sql)
{
	return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail_reading(l, sql);
}

static int ask_number(struct live *l, const char *sql, int64_t *ret)
{
	sqlite3_stmt *query = NULL;
	int r = -EIO;

	if (sqlite3_prepare_v2(l->db, sql, -1, &query, NULL) == SQLITE_OK &&
		sqlite3_step(query) == SQLITE_ROW) {
		*ret = sqlite3_column_int64(query, 0);
		r = 0;
	}
	if (r < 0)
		fail_reading(l, sql);
	sqlite3_finalize(query);
	return r;
}

static int is_wal(struct live *l, bool *ret)
{
	sqlite3_stmt *query = NULL;
	int r = -EIO;

	if (sqlite3_prepare_v2(l->db, "PRAGMA journal_mode", -1, &query, NULL) == SQLITE_OK &&
		sqlite3_step(query) == SQLITE_ROW) {
		const char *mode = (const char *)sqlite3_column_text(query, 0);

		*ret = mode && strcmp(mode, "wal") == 0;
		r = 0;
	}
	if (r < 0)
		fail_reading(l, "PRAGMA journal_mode");
	sqlite3_finalize(query);
	return r;
}

static int open_database(struct live *l, const char *path)
{
	if (sqlite3_open_v2(path, &l->db,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
		    NULL) != SQLITE_OK)
		return fail_reading(l, path);
	sqlite3_busy_timeout(l->db, BUSY_TIMEOUT);
	/* Otherwise the last one to close it would copy the WAL back and remove it. */
	sqlite3_db_config(l->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return run_sql(l, "PRAGMA cache_size = 16");
}

#define BEGIN "BEGIN; SELECT count(*) FROM sqlite_master"

/* The region belongs to SQLite, and remains for as long as the database is open. */
static int map_index(struct live *l, const volatile char **ret)
{
	volatile void *region = NULL;

	if (l->file->pMethods->iVersion < 2 ||
		l->file->pMethods->xShmMap(l->file, 0, INDEX_REGION, 0, &region) != SQLITE_OK ||
		!region)
		return fail_reading(l, "the WAL-index");
	*ret = region;
	return 0;
}

static void take_index(struct live *l, const struct wal_index *index, const volatile char *region)
{
	volatile const uint32_t *backfilled =
		(volatile const uint32_t *)(volatile const void *)(region + INDEX_BACKFILLED);

	memcpy(l->salt, index->salt, sizeof(l->salt));
	/* Then everything is in the file, and the WAL may be restarted. */
	l->max_frame = *backfilled == index->max_frame ? 0 : index->max_frame;
}

/* A snapshot taken between two looks that find the same WAL-index is the one that the index
 * describes. */
static int open_snapshot(struct live *l)
{
	const volatile char *region = NULL;
	struct wal_index before, after;
	int r = run_sql(l, BEGIN);

	if (r == 0)
		r = map_index(l, &region);
	for (int i = 0; r == 0 && i < MAX_TRIES; i++) {
		bool is_quiet;

		r = run_sql(l, "COMMIT");
		is_quiet = wal_index_take(region, &before);
		if (r == 0)
			r = run_sql(l, BEGIN);
		if (r < 0 || !is_quiet || !wal_index_take(region, &after) ||
			memcmp(&before, &after, sizeof(before)) != 0)
			continue;
		take_index(l, &after, region);
		return 0;
	}
	return r < 0 ? r : fail_reading(l, "it is written to without a pause");
}

/* In the open transaction: without a WAL it keeps writers out. */
static int ask_size(struct live *l)
{
	int64_t count = 0, size = 0;
	int r = ask_number(l, "PRAGMA page_count", &count);

	if (r == 0)
		r = ask_number(l, "PRAGMA page_size", &size);
	l->count = (uint32_t)count;
	l->page_size = (uint32_t)size;
	return r;
}

static uint32_t big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t frame_offset(const struct live *l, uint32_t frame)
{
	return WAL_HEADER + (int64_t)(frame - 1) * (WAL_FRAME_HEADER + (int64_t)l->page_size);
}

/* The last frame of each page. */
static int read_frames(struct live *l)
{
	unsigned char head[WAL_FRAME_HEADER];

	for (uint32_t i = 1; i <= l->max_frame; i++) {
		uint32_t page;

		if (i % LOOK_AT_STOP == 0 && atomic_load(l->stop))
			return -ECANCELED;
		if (l->wal->pMethods->xRead(l->wal, head, sizeof(head), frame_offset(l, i)) !=
			SQLITE_OK)
			return fail_reading(l, "the WAL");
		if (memcmp(head + 8, l->salt, sizeof(l->salt)) != 0)
			return fail_reading(l, "the WAL is another one than its index says");
		page = big_endian(head);
		if (page && page <= l->count)
			l->frame_of[page] = i;
	}
	return 0;
}

static int read_page(struct live *l, uint32_t page)
{
	uint32_t frame = l->frame_of[page];
	sqlite3_file *from = frame ? l->wal : l->file;
	int64_t offset = frame ? frame_offset(l, frame) + WAL_FRAME_HEADER
			       : (int64_t)(page - 1) * l->page_size;

	if (from->pMethods->xRead(from, l->page, (int)l->page_size, offset) != SQLITE_OK)
		return fail_reading(l, frame ? "the WAL is too short" : "the file is too short");
	return 0;
}

static int read_pages(struct live *l, struct pages *ret)
{
	uint32_t lock = pages_lock_page(l->page_size);
	int r = read_frames(l);

	pages_resize(ret, l->count);
	ret->page_size = l->page_size;
	for (uint32_t page = 1; page <= l->count && r == 0; page++) {
		if (page == lock)
			continue;
		if (page % LOOK_AT_STOP == 0 && atomic_load(l->stop))
			return -ECANCELED;
		r = read_page(l, page);
		if (r == 0)
			ret->hash[page - 1] = page_hash(page, (str){l->page, l->page_size});
	}
	return r;
}

static int read_snapshot(struct live *l, struct pages *ret)
{
	bool has_wal = false;
	int r = is_wal(l, &has_wal);

	if (sqlite3_file_control(l->db, "main", SQLITE_FCNTL_FILE_POINTER, &l->file) != SQLITE_OK)
		return fail_reading(l, "the file");
	if (r == 0)
		r = has_wal ? open_snapshot(l) : run_sql(l, BEGIN);
	if (r == 0)
		r = ask_size(l);
	if (r == 0 && l->max_frame &&
		(sqlite3_file_control(l->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &l->wal) !=
				SQLITE_OK ||
			!l->wal->pMethods))
		r = fail_reading(l, "the WAL");
	if (r < 0)
		return r;
	l->frame_of = xcalloc((size_t)l->count + 1, sizeof(*l->frame_of));
	l->page = xmalloc(l->page_size);
	return read_pages(l, ret);
}

int live_read(const char *path, const atomic_bool *stop, struct pages *ret, struct why *ret_why)
{
	struct live l = {.stop = stop, .why = ret_why};
	struct pages pages = {0};
	struct stat st;
	int r;

	if (stat(path, &st) < 0 && errno == ENOENT)
		return -ENOENT;
	r = open_database(&l, path);
	if (r == 0)
		r = read_snapshot(&l, &pages);
	sqlite3_close(l.db);
	free(l.frame_of);
	free(l.page);
	if (r < 0)
		pages_done(&pages);
	else
		*ret = pages;
	return r;
}
