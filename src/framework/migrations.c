/* migrations.c - hashes what the prepare command depends on, and compares. */
/* SPDX-License-Identifier: MIT */
#include "framework/migrations.h"

#include <fnmatch.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/number.h"

/* Arbitrary and fixed: fingerprints are kept on disk. */
#define KEY_0 0x666c792d61746320u
#define KEY_1 0x6d6967726174696fu

#define MAX_DEPTH  4
#define PIECE	   (1u << 20) /* bytes of a file, whose hash is the key of the next one's */
#define RECORD	   ".prepared"
#define RECORD_MAX 32 /* bytes */

/* Below the application's directory; folders are read with all that is in them. */
static const char *const patterns[] = {
#define DECIDES(pattern) pattern,
#include "framework/frameworks.def"
};
static const struct {
	const char *pattern, *migrations;
} dumps[] = {
#define DUMPED(pattern, migrations) {pattern, migrations},
#include "framework/frameworks.def"
};
static const struct {
	const char *name, *column;
} tables[] = {
#define APPLIED(table, column) {table, column},
#include "framework/frameworks.def"
};
/* What a run leaves behind. */
static const char *const leavings[] = {".*", "__pycache__", "*.pyc", "*~"};

/* --- files --- */

static void add_serial(struct buf *b, uint64_t v)
{
	buf_add(b, (str){(const char *)&v, sizeof(v)});
}

static bool is_leaving(const char *name)
{
	for (size_t i = 0; i < NITEMS(leavings); i++)
		if (fnmatch(leavings[i], name, 0) == 0)
			return true;
	return false;
}

/* As many bytes as there are: less than PIECE at the end. */
static size_t read_piece(int fd, char *piece)
{
	size_t have = 0;
	ssize_t n = 1;

	while (n > 0 && have < PIECE) {
		n = read(fd, piece + have, PIECE - have);
		have += n > 0 ? (size_t)n : 0;
	}
	return have;
}

/* Named by the path from root, so that another place of the same application changes nothing. */
static void add_file(struct buf *b, str root, const char *path)
{
	CLEAN_FREE char *piece = xmalloc(PIECE);
	CLEAN_FD int fd = -1;
	bool is_open = file_open_given(path, &fd) == 0;
	uint64_t hash = KEY_1;
	size_t n;

	do {
		n = is_open ? read_piece(fd, piece) : 0;
		hash = hash_keyed((str){piece, n}, KEY_0, hash);
	} while (n == PIECE);
	buf_add(b, (str){path + root.n, strlen(path) + 1 - root.n});
	add_serial(b, hash);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder that match, sorted, NULL-ended; free them. */
static char **list_folder(const char *path, const char *pattern)
{
	const struct dirent *entry;
	char **names = xcalloc(1, sizeof(*names));
	size_t n = 0;
	DIR *folder;

	if (file_list(FILE_GIVEN, path, &folder) < 0)
		return names;
	while ((entry = readdir(folder))) {
		if (is_leaving(entry->d_name) || fnmatch(pattern, entry->d_name, 0) != 0)
			continue;
		names = xrealloc(names, (n + 2) * sizeof(*names));
		names[n++] = xstrdup(entry->d_name);
		names[n] = NULL;
	}
	closedir(folder);
	qsort(names, n, sizeof(*names), compare_names);
	return names;
}

static void add_matching(
	struct buf *b, str root, const char *folder, const char *pattern, int depth);

static void add_path(struct buf *b, str root, const char *path, int depth)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	if (S_ISREG(st.st_mode))
		add_file(b, root, path);
	else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
		add_matching(b, root, path, "*", depth + 1);
}

static void add_matching(
	struct buf *b, str root, const char *folder, const char *pattern, int depth)
{
	char **names = list_folder(folder, pattern);

	for (char **name = names; *name; name++) {
		char *path = xasprintf("%s/%s", folder, *name);

		add_path(b, root, path, depth);
		free(path);
		free(*name);
	}
	free(names);
}

static void add_pattern(struct buf *b, str root, const char *pattern)
{
	const char *slash = strrchr(pattern, '/');
	char *folder = xasprintf(
		STR_FMT "/%.*s", STR_ARG(root), slash ? (int)(slash - pattern) : 0, pattern);

	add_matching(b, root, folder, slash ? slash + 1 : pattern, 0);
	free(folder);
}

static bool has_any(str root, const char *pattern)
{
	struct buf found = {0};
	bool has;

	add_pattern(&found, root, pattern);
	has = buf_len(&found) > 0;
	buf_done(&found);
	return has;
}

static void add_application(struct buf *b, const struct migrations *m)
{
	for (size_t i = 0; i < NITEMS(patterns); i++)
		add_pattern(b, m->root, patterns[i]);
	for (size_t i = 0; i < NITEMS(dumps); i++)
		if (!has_any(m->root, dumps[i].migrations))
			add_pattern(b, m->root, dumps[i].pattern);
	for (size_t i = 0; i < m->nwords; i++) {
		buf_add(b, m->command[i]);
		buf_add_char(b, '\0');
	}
	buf_add(b, m->environment);
}

/* --- databases --- */

/* All rows of a query, as text.  False if it cannot be asked. */
static bool add_rows(struct buf *b, sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	int r;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		return false;
	while ((r = sqlite3_step(statement)) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(statement); i++) {
			const char *text = (const char *)sqlite3_column_text(statement, i);

			buf_add(b, str_of(text ? text : "\1"));
			buf_add_char(b, '\0');
		}
	sqlite3_finalize(statement);
	return r == SQLITE_DONE;
}

static void add_table(struct buf *b, sqlite3 *db, const char *table, const char *column)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*), max(rowid) FROM \"%s\"", table);
	if (add_rows(b, db, sql))
		buf_add(b, str_of(table));
	if (!column)
		return;
	snprintf(sql, sizeof(sql), "SELECT %s FROM \"%s\" ORDER BY %s", column, table, column);
	add_rows(b, db, sql);
}

/* Without the tables that Litestream makes in every database that it replicates, possibly after the
 * prepare command. */
#define SCHEMA                                                                                     \
	"SELECT type, name, sql FROM sqlite_master "                                               \
	"WHERE tbl_name NOT LIKE '\\_litestream\\_%' ESCAPE '\\' ORDER BY type, name"

/* False if it does not exist or cannot be read: then nothing is known. */
static bool add_database(struct buf *b, const char *path)
{
	sqlite3 *db = NULL;
	bool is_read = access(path, F_OK) == 0 &&
		       sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
		       add_rows(b, db, SCHEMA);

	for (size_t i = 0; i < NITEMS(tables) && is_read; i++)
		add_table(b, db, tables[i].name, tables[i].column);
	sqlite3_close(db);
	return is_read;
}

static bool take_fingerprint(const struct migrations *m, uint64_t *ret)
{
	struct buf b = {0};
	bool is_known = true;

	add_application(&b, m);
	for (size_t i = 0; i < m->ndatabases; i++) {
		char *path = xasprintf(
			STR_FMT "/" STR_FMT, STR_ARG(m->dir), STR_ARG(m->databases[i].path));

		/* One that the application does not have is as good as one that has not changed. */
		if (access(path, F_OK) == 0)
			is_known &= add_database(&b, path);
		else
			is_known &= i > 0;
		buf_add(&b, m->databases[i].name);
		free(path);
	}
	*ret = hash_keyed(buf_str(&b), KEY_0, KEY_1);
	buf_done(&b);
	return is_known;
}

/* --- the record --- */

static char *record_path(const struct migrations *m)
{
	return xasprintf(STR_FMT "/" RECORD, STR_ARG(m->dir));
}

static bool read_record(const struct migrations *m, uint64_t *ret)
{
	CLEAN_FREE char *path = record_path(m);
	struct buf text = {0};
	bool is_read = file_read(FILE_GIVEN, path, RECORD_MAX, &text) == 0 &&
		       number_parse_hex(buf_str(&text), UINT64_MAX, ret) == 0;

	buf_done(&text);
	return is_read;
}

bool migrations_are_done(const struct migrations *m, uint64_t known)
{
	uint64_t now, then;
	bool has_record = read_record(m, &then);

	if (!known && !has_record)
		return false;
	return take_fingerprint(m, &now) && (now == known || (has_record && now == then));
}

static void write_record(const struct migrations *m, uint64_t fingerprint)
{
	CLEAN_FREE char *path = record_path(m);
	char text[32];
	size_t n = number_write_hex(text, fingerprint);

	/* An older record must not stay, whatever becomes of the new one. */
	if (file_remove(FILE_GIVEN, path) == 0 && fingerprint)
		(void)!file_write(FILE_GIVEN, path, (str){text, n}, 0644);
}

uint64_t migrations_remember(const struct migrations *m)
{
	uint64_t fingerprint;

	if (!take_fingerprint(m, &fingerprint))
		fingerprint = 0;
	write_record(m, fingerprint);
	return fingerprint;
}
