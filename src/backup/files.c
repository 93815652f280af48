/* files.c - files that survive a crash. */
/* SPDX-License-Identifier: MIT */
#include "backup/files.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

int files_make_parents(const char *path, mode_t mode)
{
	CLEAN_FREE char *copy = xstrdup(path);
	char *last = strrchr(copy, '/');

	if (!last || last == copy)
		return 0;
	*last = '\0';
	if (mkdir(copy, mode) == 0 || errno == EEXIST)
		return 0; /* as nearly always */
	*last = '/';
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

int files_read(const char *path, size_t max, struct buf *ret)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t before = buf_len(ret);

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buf_room(ret, 4096), 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_added(ret, (size_t)n);
		if (buf_len(ret) - before > max)
			return -EFBIG;
	}
}

static int write_all(int fd, str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s = str_slice(s, (size_t)n, s.n);
	}
	return 0;
}

int files_sync(const char *path)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int files_sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEAN_FREE char *parent =
		slash ? str_dup((str){path, MAX((size_t)(slash - path), (size_t)1)}) : xstrdup(".");

	return files_sync(parent);
}

int files_write(const char *path, str content, mode_t mode)
{
	CLEAN_FREE char *tmp = xasprintf("%s.tmp", path);
	CLEAN_FD int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, content);
	if (r == 0 && (fsync(fd) < 0 || rename(tmp, path) < 0))
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r < 0 ? r : files_sync_parent(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

int files_remove(const char *path)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
