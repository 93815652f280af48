/* strays.c - goes through a tenant's open files for databases outside its own directory. */
/* SPDX-License-Identifier: MIT */
#include "tenant/strays.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tenant/family.h"

/* --- its own folders --- */

static void add_folder(struct own_folders *f, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		f->items[f->count++] = (struct own_folder){st.st_dev, st.st_ino};
}

void own_folders_find(const struct tenant_conf *t, struct own_folders *ret)
{
	const struct str_list *names = &t->app->private_directories;

	*ret = (struct own_folders){.items = xcalloc(names->count + 1, sizeof(*ret->items))};
	add_folder(ret, t->dir.p);
	for (size_t i = 0; i < names->count; i++) {
		CLEAN_FREE char *path =
			xasprintf(STR_FMT "/" STR_FMT, STR_ARG(t->dir), STR_ARG(names->items[i]));

		add_folder(ret, path);
	}
}

void own_folders_done(struct own_folders *f)
{
	free(f->items);
	*f = (struct own_folders){0};
}

static bool is_own(const struct own_folders *own, const struct stat *st)
{
	for (size_t i = 0; i < own->count; i++)
		if (own->items[i].device == st->st_dev && own->items[i].inode == st->st_ino)
			return true;
	return false;
}

/* A path as the process sees it: one of the folders above the file is the tenant's. */
static bool is_inside(pid_t pid, const char *path, const struct own_folders *own)
{
	CLEAN_FREE char *above = xasprintf("/proc/%d/root%s", (int)pid, path);
	char *root_end = above + strlen(above) - strlen(path), *slash;
	struct stat st;

	while ((slash = strrchr(root_end, '/')) != NULL) {
		*slash = '\0';
		if (stat(above, &st) == 0 && is_own(own, &st))
			return true;
	}
	return false;
}

/* --- files --- */

static bool has_magic(const char *bytes, size_t n)
{
	static const str magics[] = {STR_INIT("SQLite format 3\0"), STR_INIT("\x37\x7f\x06\x82"),
		STR_INIT("\x37\x7f\x06\x83"), STR_INIT("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")};

	for (size_t i = 0; i < NITEMS(magics); i++)
		if (n >= magics[i].n && memcmp(bytes, magics[i].p, magics[i].n) == 0)
			return true;
	return false;
}

/* Also by its WAL or its journal: the file itself is empty until the first of these has been
 * written back. */
static bool is_database(int files, const char *number)
{
	CLEAN_FD int fd = openat(files, number, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char bytes[16];
	ssize_t n = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);

	return n > 0 && has_magic(bytes, (size_t)n);
}

static bool is_open_for_writing(int files, const char *number)
{
	struct stat file, link;

	return fstatat(files, number, &file, 0) == 0 && S_ISREG(file.st_mode) && file.st_nlink &&
	       fstatat(files, number, &link, AT_SYMLINK_NOFOLLOW) == 0 && (link.st_mode & S_IWUSR);
}

/* Of the database itself. */
static void cut_sidecar(char *path)
{
	static const char *const tails[] = {"-wal", "-journal"};

	for (size_t i = 0; i < NITEMS(tails); i++)
		if (str_ends(str_of(path), str_of(tails[i])))
			path[strlen(path) - strlen(tails[i])] = '\0';
}

static char *stray_of(pid_t pid, int files, const char *number, const struct own_folders *own)
{
	char path[PATH_MAX];
	ssize_t n;

	if (!is_open_for_writing(files, number) || !is_database(files, number))
		return NULL;
	n = readlinkat(files, number, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/')
		return NULL;
	path[n] = '\0';
	if (is_inside(pid, path, own))
		return NULL;
	cut_sidecar(path);
	return xstrdup(path);
}

static char *find_in_process(pid_t pid, const struct own_folders *own, size_t *left)
{
	CLEAN_FREE char *path = xasprintf("/proc/%d/fd", (int)pid);
	const struct dirent *entry;
	char *found = NULL;
	DIR *files;

	if (file_list(FILE_GIVEN, path, &files) < 0)
		return NULL;
	while (!found && *left && (entry = readdir(files))) {
		(*left)--;
		if (entry->d_name[0] != '.')
			found = stray_of(pid, dirfd(files), entry->d_name, own);
	}
	closedir(files);
	return found;
}

/* --- processes --- */

char *stray_find(pid_t leader, const struct own_folders *own)
{
	CLEAN_FREE struct family *f = family_find(leader);
	size_t left = FAMILY_MAX_FILES;
	char *found = NULL;

	for (size_t i = 0; i < f->count && !found; i++)
		found = find_in_process(f->pids[i], own, &left);
	return found;
}
