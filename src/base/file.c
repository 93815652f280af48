/* file.c - takes a path apart, and goes down one name at a time from a directory that is held
 * open. */
/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

#define PIECE 4096u /* bytes that are read at once where the size is not known */
/* A rename elsewhere can make the kernel unsure whether ".." is still beneath; then it says so. */
#define BENEATH_TRIES 16
/* For a tree that is removed. */
#define MAX_DEPTH   64
#define MAX_ENTRIES 1000000u
#define MAX_PASSES  3 /* over one directory, which others may add to meanwhile */

/* --- names --- */

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
	if (st.st_uid != geteuid() || st.st_nlink > 1)
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

static bool is_name(str part)
{
	return part.n && !str_eq(part, STR(".")) && !str_eq(part, STR(".."));
}

static int step(int at, str part, mode_t mode)
{
	CLEAN_FREE char *name = str_dup(part);

	if (!is_name(part))
		return -EINVAL;
	if (mode && mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return open_step(at, name);
}

/* From a directory that is held open. */
static int walk(int dir, str path, mode_t mode, int *ret_fd)
{
	int at = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), r = at < 0 ? -errno : 0;
	str part;

	if (str_starts(path, STR("/")))
		r = -EINVAL;
	while (r == 0 && str_split(&path, '/', &part)) {
		int next;

		if (!part.n || str_eq(part, STR(".")))
			continue;
		next = step(at, part, mode);
		r = MIN(next, 0);
		close_fd(&at);
		at = next;
	}
	if (r < 0)
		close_fd(&at);
	else
		*ret_fd = at;
	return r;
}

static int make_given(const char *path, mode_t mode)
{
	CLEAN_FREE char *copy = xstrdup(path);

	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0; /* as nearly always */
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int file_open_dir(int dir, const char *path, mode_t mode, int *ret_fd)
{
	int r, fd;

	if (dir != FILE_GIVEN)
		return walk(dir, str_of(path), mode, ret_fd);
	r = mode ? make_given(path, mode) : 0;
	if (r < 0)
		return r;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int file_open_base(const char *base, const char *path, int *ret_dir, const char **ret_rest)
{
	size_t n = base ? strlen(base) : 0;
	int r = 0;

	if (!n || strncmp(path, base, n) != 0 || path[n] != '/') {
		*ret_dir = FILE_GIVEN;
		*ret_rest = path;
		return 0;
	}
	r = file_open_dir(FILE_GIVEN, base, 0, ret_dir);
	if (r == 0)
		*ret_rest = path + n + 1;
	return r;
}

/* A name in a directory. */
struct spot {
	int dir;
	int own; /* to be closed, or -1 */
	const char *name;
};

static void spot_done(struct spot *s)
{
	close_fd(&s->own);
}
#define CLEAN_SPOT __attribute__((cleanup(spot_done)))
#define NO_SPOT	   ((struct spot){-1, -1, NULL})

static str above(const char *path, const char *slash)
{
	return (str){path, MAX((size_t)(slash - path), (size_t)(path[0] == '/'))};
}

static int find(int dir, const char *path, struct spot *ret)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	CLEAN_FREE char *folder = slash ? str_dup(above(path, slash)) : NULL;
	int own = -1, r = 0;

	if (!is_name(str_of(name)))
		return -EINVAL;
	if (folder)
		r = file_open_dir(dir, folder, 0, &own);
	if (r < 0)
		return r;
	*ret = (struct spot){folder ? own : dir, own, name};
	return 0;
}

/* The directory, opened so that it can be flushed. */
static int open_for_sync(const struct spot *s, int *ret_fd)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* --- directories --- */

int file_make_dirs(int dir, const char *path, mode_t mode)
{
	CLEAN_FD int fd = -1;

	return file_open_dir(dir, path, mode, &fd);
}

int file_make_parents(int dir, const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	CLEAN_FREE char *folder = slash ? str_dup(above(path, slash)) : NULL;

	return folder ? file_make_dirs(dir, folder, mode) : 0;
}

int file_make_new_dir(int dir, const char *path, mode_t mode)
{
	CLEAN_SPOT struct spot s = NO_SPOT;
	int r = find(dir, path, &s);

	if (r < 0)
		return r;
	return mkdirat(s.dir, s.name, mode) < 0 ? -errno : 0;
}

static int list_of(int take_fd, DIR **ret)
{
	DIR *entries = take_fd < 0 ? NULL : fdopendir(take_fd);
	int error = errno;

	if (!entries) {
		close_fd(&take_fd);
		return error > 0 ? -error : -EIO;
	}
	*ret = entries;
	return 0;
}

int file_list(int dir, const char *path, DIR **ret)
{
	CLEAN_SPOT struct spot s = NO_SPOT;
	int r;

	if (dir == FILE_GIVEN)
		return list_of(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret);
	r = find(dir, path, &s);
	if (r < 0)
		return r;
	return list_of(openat(s.dir, s.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), ret);
}

/* --- reading --- */

#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY)

/* 0, and *ret_fd is the descriptor, if it is a regular file. */
static int check_regular(int take_fd, int *ret_fd)
{
	struct stat st;
	int r = 0;

	if (take_fd < 0)
		return -errno;
	if (fstat(take_fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (r < 0)
		close_fd(&take_fd);
	else
		*ret_fd = take_fd;
	return r;
}

int file_open(int dir, const char *path, int *ret_fd)
{
	CLEAN_SPOT struct spot s = NO_SPOT;
	int r = find(dir, path, &s);

	if (r < 0)
		return r;
	return check_regular(openat(s.dir, s.name, READ_FLAGS | O_NOFOLLOW | O_CLOEXEC), ret_fd);
}

int file_open_given(const char *path, int *ret_fd)
{
	return check_regular(open(path, READ_FLAGS | O_CLOEXEC), ret_fd);
}

int file_open_beneath(int dir, const char *path, int *ret_fd)
{
	struct open_how how = {
		.flags = READ_FLAGS | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	for (int i = 0; i < BENEATH_TRIES; i++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	if (fd < 0)
		return -errno;
	*ret_fd = (int)fd;
	return 0;
}

/* One byte more than allowed is read too, but not kept. */
static ssize_t read_piece(int fd, size_t max, struct buf *ret)
{
	size_t left = ret->cap - ret->end, room = MIN(max, left ? left : PIECE);
	char more;
	ssize_t n = room ? read(fd, buf_room(ret, room), room) : read(fd, &more, 1);

	if (n < 0)
		return -errno;
	if (room)
		buf_added(ret, (size_t)n);
	else if (n > 0)
		return -EFBIG;
	return n;
}

int file_read_from(int fd, size_t max, struct buf *ret)
{
	size_t before = buf_len(ret);
	ssize_t n = 1;
	struct stat st;

	/* All at once, and one more read to see the end. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		(void)buf_room(ret, MIN((size_t)st.st_size, max) + 1);
	while (n > 0 || n == -EINTR)
		n = read_piece(fd, max - (buf_len(ret) - before), ret);
	if (n < 0)
		ret->end = ret->start + before;
	return (int)n;
}

int file_read(int dir, const char *path, size_t max, struct buf *ret)
{
	CLEAN_FD int fd = -1;
	int r = file_open(dir, path, &fd);

	return r < 0 ? r : file_read_from(fd, max, ret);
}

int file_read_given(const char *path, size_t max, struct buf *ret)
{
	CLEAN_FD int fd = -1;
	int r = file_open_given(path, &fd);

	return r < 0 ? r : file_read_from(fd, max, ret);
}

int file_open_device(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

ssize_t file_read_kernel(const char *path, char *out, size_t size)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size);

	return n < 0 ? -errno : n;
}

/* --- writing --- */

static int write_all(int fd, str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		s = str_slice(s, (size_t)n, s.n);
	}
	return 0;
}

/* Whatever has the name already is left from a crash, or is a trap. */
static int write_temporary(int dir, const char *name, str content, mode_t mode)
{
	CLEAN_FD int fd = -1;
	int r;

	unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	/* What the umask took away is given back; some file systems have no modes. */
	(void)!fchmod(fd, mode);
	r = write_all(fd, content);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, name, 0);
	return r;
}

static int write_file(int dir, const char *path, str content, mode_t mode, bool is_new)
{
	CLEAN_SPOT struct spot s = NO_SPOT;
	CLEAN_FREE char *tmp = NULL;
	CLEAN_FD int at = -1;
	int r = find(dir, path, &s);

	if (r == 0)
		r = open_for_sync(&s, &at);
	if (r < 0)
		return r;
	/* Two processes may make the same new file; of those that replace one there is one. */
	tmp = is_new ? xasprintf("%s.%d.tmp", s.name, (int)getpid()) : xasprintf("%s.tmp", s.name);
	r = write_temporary(at, tmp, content, mode);
	if (r < 0)
		return r;
	if ((is_new ? linkat(at, tmp, at, s.name, 0) : renameat(at, tmp, at, s.name)) < 0)
		r = -errno;
	if (is_new || r < 0)
		unlinkat(at, tmp, 0);
	return r < 0 || fsync(at) == 0 ? r : -errno;
}

int file_write(int dir, const char *path, str content, mode_t mode)
{
	return write_file(dir, path, content, mode, false);
}

int file_write_new(int dir, const char *path, str content, mode_t mode)
{
	return write_file(dir, path, content, mode, true);
}

static int open_made(int dir, const char *path, int flags, mode_t mode, int *ret_fd)
{
	CLEAN_SPOT struct spot s = NO_SPOT;
	int r = find(dir, path, &s);

	if (r < 0)
		return r;
	return check_regular(
		openat(s.dir, s.name,
			flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode),
		ret_fd);
}

int file_touch(int dir, const char *path, mode_t mode)
{
	CLEAN_FD int fd = -1;

	return open_made(dir, path, O_WRONLY, mode, &fd);
}

int file_open_lock(int dir, const char *path, int *ret_fd)
{
	return open_made(dir, path, O_RDWR, 0600, ret_fd);
}

int file_replace(int dir, const char *from, const char *to)
{
	CLEAN_SPOT struct spot s = NO_SPOT;
	CLEAN_FD int file = -1, at = -1;
	int r = file_open(dir, from, &file);

	if (r == 0)
		r = find(dir, to, &s);
	if (r == 0)
		r = open_for_sync(&s, &at);
	if (r == 0 && fsync(file) < 0)
		r = -errno;
	if (r == 0)
		r = file_move(dir, from, at, s.name);
	return r < 0 || fsync(at) == 0 ? r : -errno;
}

int file_move(int from_dir, const char *from, int to_dir, const char *to)
{
	CLEAN_SPOT struct spot a = NO_SPOT;
	CLEAN_SPOT struct spot b = NO_SPOT;
	int r = find(from_dir, from, &a);

	if (r == 0)
		r = find(to_dir, to, &b);
	return r < 0 || renameat(a.dir, a.name, b.dir, b.name) == 0 ? r : -errno;
}

/* --- owner and mode --- */

/* A descriptor that can only be asked what it is, and be given away. */
static int open_kind(int dir, const char *path, mode_t kind, int *ret_fd)
{
	bool follows = dir == FILE_GIVEN && kind == S_IFDIR;
	CLEAN_SPOT struct spot s = {dir, -1, path};
	struct stat st;
	int r = follows ? 0 : find(dir, path, &s), fd;

	if (r < 0)
		return r;
	fd = openat(s.dir, s.name, O_PATH | (follows ? 0 : O_NOFOLLOW) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if ((st.st_mode & S_IFMT) != kind)
		r = -EINVAL;
	else if (S_ISREG(st.st_mode) && st.st_nlink > 1)
		r = -EMLINK;
	if (r < 0)
		close_fd(&fd);
	else
		*ret_fd = fd;
	return r;
}

int file_give(int dir, const char *path, mode_t kind, uid_t uid, gid_t gid)
{
	CLEAN_FD int fd = -1;
	int r = open_kind(dir, path, kind, &fd);

	return r < 0 || fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0 ? r : -errno;
}

/* fchmod(2) refuses such a descriptor; its entry in /proc refers to the file itself. */
int file_set_mode(int dir, const char *path, mode_t kind, mode_t mode)
{
	CLEAN_FD int fd = -1;
	char itself[32];
	int r = open_kind(dir, path, kind, &fd);

	snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fd);
	return r < 0 || chmod(itself, mode) == 0 ? r : -errno;
}

/* --- removing --- */

static int remove_at(int dir, const char *name, int flags)
{
	return unlinkat(dir, name, flags) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_named(int dir, const char *path, int flags)
{
	CLEAN_SPOT struct spot s = NO_SPOT;
	int r = find(dir, path, &s);

	if (r == 0)
		r = remove_at(s.dir, s.name, flags);
	return r == -ENOENT ? 0 : r;
}

int file_remove(int dir, const char *path)
{
	return remove_named(dir, path, 0);
}

int file_remove_dir(int dir, const char *path)
{
	return remove_named(dir, path, AT_REMOVEDIR);
}

struct removal {
	dev_t device;
	unsigned left; /* how many entries may still be removed */
};

static int remove_any(struct removal *m, int dir, const char *name, int depth);

static int remove_entries(struct removal *m, DIR *entries, int depth)
{
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && (entry = readdir(entries)) != NULL)
		if (is_name(str_of(entry->d_name)))
			r = m->left-- ? remove_any(m, dirfd(entries), entry->d_name, depth)
				      : -E2BIG;
	return r;
}

static int remove_inside(struct removal *m, int dir, const char *name, int depth)
{
	DIR *entries = NULL;
	struct stat st;
	int r = depth < MAX_DEPTH ? file_list(dir, name, &entries) : -E2BIG;

	if (r < 0)
		return r;
	assert(entries);
	if (fstat(dirfd(entries), &st) < 0)
		r = -errno;
	else if (st.st_dev != m->device)
		r = -EXDEV;
	else
		r = remove_entries(m, entries, depth + 1);
	closedir(entries);
	return r;
}

static int remove_any(struct removal *m, int dir, const char *name, int depth)
{
	int r = remove_at(dir, name, 0);

	if (r != -EISDIR && r != -EPERM)
		return r;
	r = -ENOTEMPTY;
	for (int i = 0; i < MAX_PASSES && r == -ENOTEMPTY; i++) {
		r = remove_inside(m, dir, name, depth);
		if (r == 0)
			r = remove_at(dir, name, AT_REMOVEDIR);
	}
	return r == -ENOENT ? 0 : r;
}

int file_remove_tree(int dir, const char *path)
{
	CLEAN_SPOT struct spot s = NO_SPOT;
	struct removal m = {.left = MAX_ENTRIES};
	struct stat st;
	int r = find(dir, path, &s);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (fstatat(s.dir, s.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	m.device = st.st_dev;
	return remove_any(&m, s.dir, s.name, 0);
}
