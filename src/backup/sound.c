/* sound.c - SQLite's quick_check, and what it cannot judge. */
/* SPDX-License-Identifier: MIT */
#include "backup/sound.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "base/alloc.h"

#define BUSY_TIMEOUT 5000 /* msec */

/* A schema that needs a newer SQLite than ours (a function, a module, a keyword) cannot be judged
 * here; damage can. */
static bool is_beyond_us(const char *text)
{
	return strstr(text, "malformed database schema") &&
	       (strstr(text, "no such") || strstr(text, "near \"") || strstr(text, "unknown"));
}

/* 1 if all is well, 0 if not (with the text), -1 if this SQLite cannot judge. */
static int judge_database(sqlite3 *db, struct why *why)
{
	sqlite3_stmt *check = NULL;
	int verdict = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL) == SQLITE_OK &&
		sqlite3_step(check) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(check, 0);

		verdict = text && strcmp(text, "ok") == 0;
		why_set(why, "%s", text ? text : "no answer");
	} else {
		why_set(why, "%s", sqlite3_errmsg(db));
	}
	sqlite3_finalize(check);
	return verdict == 0 && is_beyond_us(why->text) ? -1 : verdict;
}

/* immutable: no -wal and -shm files appear beside it. */
static char *make_uri(const char *path, bool is_in_use)
{
	struct buf name = {0};
	char *uri;

	for (const char *c = path; *c; c++)
		buf_printf(&name, *c == '%' || *c == '?' || *c == '#' ? "%%%02X" : "%c", *c);
	uri = xasprintf(
		"file:" STR_FMT "%s", STR_ARG(buf_str(&name)), is_in_use ? "" : "?immutable=1");
	buf_done(&name);
	return uri;
}

int sound_check(const char *path, bool is_in_use, struct buf *notes, struct why *ret_why)
{
	CLEAN_FREE char *uri = make_uri(path, is_in_use);
	sqlite3 *db = NULL;
	int mode = is_in_use ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, verdict = 0;

	if (sqlite3_open_v2(uri, &db, mode | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE, NULL) ==
		SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_TIMEOUT);
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		verdict = judge_database(db, ret_why);
	} else {
		why_set(ret_why, "%s", db ? sqlite3_errmsg(db) : "out of memory");
	}
	sqlite3_close(db);
	if (verdict < 0)
		buf_printf(notes, "%s could not be checked by SQLite %s: %s\n", path,
			sqlite3_libversion(), ret_why->text);
	return verdict == 0 ? -EUCLEAN : 0;
}
