/* beside.c - counts the files beside a tenant's databases. */
/* SPDX-License-Identifier: MIT */
#include "backup/beside.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/record.h"
#include "base/alloc.h"
#include "base/file.h"
#include "framework/framework.h"

#define MAX_DEPTH 32

/* After the name of a database: SQLite's, and ours while it is restored. */
static const char *const sidecars[] = {
	"", "-wal", "-shm", "-journal", ".restoring", ".restoring-*", ".restoring.*"};
/* With a dot before the name: Litestream's and ours. */
static const char *const hidden[] = {"-litestream", "-fly-atc", "-fly-atc.tmp"};
/* In the tenant's directory itself. */
static const char *const ours[] = {".fly-atc*", ".prepared", ".stale", ".others", ".tmp", ".run"};
/* Anywhere: what can be made again, and what only keeps a directory in a repository. */
static const char *const worthless[] = {".cache", ".*_history", ".keep", ".gitkeep"};

struct beside_walk {
	const struct beside *b;
	uint64_t found, enough;
};

static bool is_named(const char *name, const char *const *patterns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

/* `name` is `before` + database + one of `tails`. */
static bool is_of(const char *name, const char *before, const char *database,
	const char *const *tails, size_t n)
{
	size_t length = strlen(before);

	if (strncmp(name, before, length) != 0)
		return false;
	name += length;
	length = strlen(database);
	return strncmp(name, database, length) == 0 && is_named(name + length, tails, n);
}

static bool is_of_database(const struct beside *b, const char *folder, const char *name)
{
	for (size_t i = 0; i < b->ndatabases; i++) {
		const char *path = b->databases[i], *slash = strrchr(path, '/');
		size_t length = slash ? (size_t)(slash - path) : 0;

		if (!slash || strlen(folder) != length || strncmp(path, folder, length) != 0)
			continue;
		if (is_of(name, "", slash + 1, sidecars, NITEMS(sidecars)) ||
			is_of(name, ".", slash + 1, hidden, NITEMS(hidden)))
			return true;
	}
	return false;
}

static bool is_other_tenant(DIR *folder)
{
	return faccessat(dirfd(folder), RECORD_FILE, F_OK, 0) == 0;
}

static void count_folder(struct beside_walk *w, DIR *entries, const char *folder, int depth);

static void count_inside(
	struct beside_walk *w, int at, const char *folder, const char *name, int depth)
{
	CLEAN_FREE char *path = xasprintf("%s/%s", folder, name);
	DIR *inside;

	if (file_list(at, name, &inside) < 0)
		return;
	if (!is_other_tenant(inside))
		count_folder(w, inside, path, depth);
	closedir(inside);
}

static void count_entry(
	struct beside_walk *w, int at, const char *folder, const char *name, int depth)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISREG(st.st_mode))
		w->found++;
	else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
		count_inside(w, at, folder, name, depth + 1);
}

static bool is_left_out(
	const struct beside_walk *w, const char *folder, const char *name, int depth)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       is_named(name, worthless, NITEMS(worthless)) || framework_is_worthless(name) ||
	       (depth == 0 && (is_named(name, ours, NITEMS(ours)) || framework_is_passing(name))) ||
	       is_of_database(w->b, folder, name);
}

static void count_folder(struct beside_walk *w, DIR *entries, const char *folder, int depth)
{
	const struct dirent *entry;

	while (w->found < w->enough && (entry = readdir(entries)))
		if (!is_left_out(w, folder, entry->d_name, depth))
			count_entry(w, dirfd(entries), folder, entry->d_name, depth);
}

uint64_t beside_count(const struct beside *b, uint64_t enough)
{
	struct beside_walk w = {.b = b, .enough = enough};
	DIR *entries;

	if (file_list(FILE_GIVEN, b->dir, &entries) < 0)
		return 0;
	count_folder(&w, entries, b->dir, 0);
	closedir(entries);
	return w.found;
}
