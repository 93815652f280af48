/* leftovers.c - moves aside what killed processes left; nothing is deleted that could be somebody's
 * data. */
/* SPDX-License-Identifier: MIT */
#include "backup/leftovers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

#define STALE ".stale"

static const char *const companions[] = {"", "-wal", "-shm", "-journal"};

enum local_file leftovers_look(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	char header[sizeof(magic)];
	CLEAN_FD int fd = -1;
	int r = file_open(FILE_GIVEN, path, &fd);
	ssize_t n;

	if (r < 0)
		return r == -ENOENT ? LOCAL_ABSENT : LOCAL_ALIEN;
	n = pread(fd, header, sizeof(header), 0);
	if (n == 0)
		return LOCAL_EMPTY;
	return n == sizeof(header) && memcmp(header, magic, sizeof(magic)) == 0 ? LOCAL_PRESENT
										: LOCAL_ALIEN;
}

void leftovers_clear_restore(const char *base, const char *path)
{
	static const char *const suffixes[] = {
		"", "-wal", "-shm", "-journal", ".tmp", ".tmp-wal", ".tmp-shm", ".tmp-journal"};

	CLEAN_FD int dir = -1;
	const char *rest;

	if (file_open_base(base, path, &dir, &rest) < 0)
		return;
	for (size_t i = 0; i < NITEMS(suffixes); i++) {
		CLEAN_FREE char *name = xasprintf("%s" PLAN_SUFFIX "%s", rest, suffixes[i]);

		(void)!file_remove(dir, name); /* the restore will find it in its way, and say so */
	}
}

/* Inside the tenant's directory. */
static char *stale_directory(uint64_t epoch)
{
	struct timespec now;
	struct tm tm;
	char time[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(time, sizeof(time), "%Y%m%dT%H%M%S", &tm);
	return xasprintf(STALE "/%s.%03ld.epoch-%llu", time, now.tv_nsec / 1000000,
		(unsigned long long)epoch);
}

static int move_into(const char *dir, const char *base, const char *directory, const char *path)
{
	CLEAN_FD int top = -1;
	CLEAN_FD int into = -1;
	CLEAN_FD int from = -1;
	const char *rest = NULL;
	int r = file_open_dir(FILE_GIVEN, dir, 0, &top);

	if (r == 0)
		r = file_open_dir(top, directory, 0700, &into);
	if (r == 0)
		r = file_open_base(base, path, &from, &rest);
	return r < 0 ? r : file_move(from, rest, into, strrchr(path, '/') + 1);
}

static int set_aside(struct plan *p, uint64_t epoch, const char *path, size_t from)
{
	CLEAN_FREE char *directory = stale_directory(epoch);

	for (size_t i = from; i < NITEMS(companions); i++) {
		CLEAN_FREE char *name = xasprintf("%s%s", path, companions[i]);
		int r;

		if (access(name, F_OK) < 0)
			continue;
		r = move_into(p->dir, p->base, directory, name);
		if (r < 0)
			return r;
		buf_printf(&p->notes, "set aside: %s is now in %s/%s\n", name, p->dir, directory);
	}
	return 0;
}

int leftovers_set_aside(struct plan *p, uint64_t epoch, const char *path)
{
	return set_aside(p, epoch, path, 0);
}

int leftovers_clear_orphans(struct plan *p, uint64_t epoch, const char *path)
{
	enum local_file local = leftovers_look(path);

	return local == LOCAL_ABSENT || local == LOCAL_EMPTY ? set_aside(p, epoch, path, 1) : 0;
}

int leftovers_forget_replica(const char *base, const char *path)
{
	const char *slash = strrchr(path, '/'), *rest;
	CLEAN_FREE char *state =
		xasprintf("%.*s/.%s-litestream", (int)(slash - path), path, slash + 1);
	CLEAN_FD int dir = -1;
	int r = file_open_base(base, state, &dir, &rest);

	return r < 0 ? r : file_remove_tree(dir, rest);
}
