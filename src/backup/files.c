/* files.c - files that survive a crash. */
/* SPDX-License-Identifier: MIT */
#include "backup/files.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
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

/* The directory that fd is, itself, or that it links to. */
static int directory_of(int at, int fd)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return fd;
	if (!S_ISLNK(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid())
		return -ELOOP;
	n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	r = openat(at, target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

/* One step down: -errno, or the descriptor. */
static int open_step(int at, const char *name)
{
	int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = directory_of(at, fd);
	if (r != fd)
		close(fd);
	return r;
}

int files_open_beneath(const char *dir, const char *rest, mode_t mode, int *ret_fd)
{
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), r = at < 0 ? -errno : 0;
	str left = str_of(rest), part;

	while (r == 0 && str_split(&left, '/', &part)) {
		CLEAN_FREE char *name = str_dup(part);
		int next;

		if (!part.n)
			continue;
		if (str_eq(part, STR("..")))
			r = -EINVAL;
		else if (mode && mkdirat(at, name, mode) < 0 && errno != EEXIST)
			r = -errno;
		next = r == 0 ? open_step(at, name) : r;
		if (next < 0)
			r = next;
		close(at);
		at = next;
	}
	if (r == 0)
		*ret_fd = at;
	else
		close_fd(&at);
	return r;
}

int files_read(const char *path, size_t max, struct buf *ret)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t before = buf_len(ret);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
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
	CLEAN_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

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
	CLEAN_FD int fd = -1;
	int r;

	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
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
