/* leftovers.c - nothing is deleted that could be somebody's data. */
/* SPDX-License-Identifier: MIT */
#include "backup/leftovers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/files.h"
#include "base/alloc.h"

#define STALE ".stale"

static const char *const companions[] = {"", "-wal", "-shm", "-journal"};

enum local_file leftovers_look(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	char header[sizeof(magic)];
	CLEAN_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? LOCAL_ABSENT : LOCAL_ALIEN;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return LOCAL_ALIEN;
	n = pread(fd, header, sizeof(header), 0);
	if (n == 0)
		return LOCAL_EMPTY;
	return n == sizeof(header) && memcmp(header, magic, sizeof(magic)) == 0 ? LOCAL_PRESENT
										: LOCAL_ALIEN;
}

void leftovers_clear_restore(const char *path)
{
	static const char *const suffixes[] = {
		"", "-wal", "-shm", "-journal", ".tmp", ".tmp-wal", ".tmp-shm", ".tmp-journal"};

	for (size_t i = 0; i < NITEMS(suffixes); i++) {
		CLEAN_FREE char *name = xasprintf("%s" PLAN_SUFFIX "%s", path, suffixes[i]);

		unlink(name);
	}
}

/* Within the tenant's directory. */
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

static int move_into(const char *dir, const char *directory, const char *path)
{
	CLEAN_FD int fd = -1;
	int r = files_open_beneath(dir, directory, 0700, &fd);

	if (r < 0)
		return r;
	return renameat(AT_FDCWD, path, fd, strrchr(path, '/') + 1) < 0 ? -errno : 0;
}

static int set_aside(
	const char *dir, uint64_t epoch, const char *path, size_t from, struct buf *notes)
{
	CLEAN_FREE char *directory = stale_directory(epoch);

	for (size_t i = from; i < NITEMS(companions); i++) {
		CLEAN_FREE char *name = xasprintf("%s%s", path, companions[i]);
		int r;

		if (access(name, F_OK) < 0)
			continue;
		r = move_into(dir, directory, name);
		if (r < 0)
			return r;
		buf_printf(notes, "set aside: %s is now in %s/%s\n", name, dir, directory);
	}
	return 0;
}

int leftovers_set_aside(const char *dir, uint64_t epoch, const char *path, struct buf *notes)
{
	return set_aside(dir, epoch, path, 0, notes);
}

int leftovers_clear_orphans(const char *dir, uint64_t epoch, const char *path, struct buf *notes)
{
	enum local_file local = leftovers_look(path);

	return local == LOCAL_ABSENT || local == LOCAL_EMPTY ? set_aside(dir, epoch, path, 1, notes)
							     : 0;
}

int leftovers_forget_replica(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEAN_FREE char *state =
		xasprintf("%.*s/.%s-litestream", (int)(slash - path), path, slash + 1);

	return files_remove(state);
}
