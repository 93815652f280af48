/* store_file.c - a directory as store: a file for each object, its hash as etag, one lock for the
 * writers. */
/* SPDX-License-Identifier: MIT */
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/store_int.h"
#include "base/alloc.h"
#include "base/file.h"

static int cannot(struct why *why, const char *what, const char *path, int error)
{
	why_set(why, "cannot %s %s: %s", what, path, strerror(error));
	return -EIO;
}

/* Made at the start.  A directory without the mark is not the one that we were given (its disk is
 * no longer mounted, and Litestream has made the directory again): what is in it answers no
 * question. */
#define MARK ".fly-atc-store"

#define PIECE 65536u /* bytes that are read at once */

int store_file_prepare(const char *root, struct why *ret_why)
{
	CLEAN_FREE char *mark = xasprintf("%s/" MARK, root);
	int r;

	if (access(mark, F_OK) == 0)
		return 0;
	r = file_make_parents(FILE_GIVEN, mark, 0700);
	if (r < 0)
		return cannot(ret_why, "make", root, -r);
	/* Somebody else may begin it just now. */
	r = file_write_new(FILE_GIVEN, mark, STR("Backups of fly-atc.\n"), 0600);
	return r < 0 && r != -EEXIST ? cannot(ret_why, "write to", root, -r) : 0;
}

static int check_root(const char *root, struct why *ret_why)
{
	CLEAN_FREE char *mark = xasprintf("%s/" MARK, root);

	return access(mark, F_OK) < 0 ? cannot(ret_why, "find the store's mark", mark, errno) : 0;
}

int store_file_get(const char *root, const char *key, struct buf *ret_body, struct etag *ret_etag,
	struct why *ret_why)
{
	CLEAN_FREE char *path = xasprintf("%s/%s", root, key);
	size_t before = buf_len(ret_body);
	int r = check_root(root, ret_why);

	if (r < 0)
		return r;
	r = file_read(FILE_GIVEN, path, STORE_OBJECT_MAX, ret_body);
	if (r == -ENOENT)
		return r;
	if (r < 0)
		return cannot(ret_why, "read", path, -r);
	sha256_text(str_slice(buf_str(ret_body), before, buf_len(ret_body)), ret_etag->text);
	return 0;
}

int store_file_read(
	const char *root, const char *key, store_sink *sink, void *arg, struct why *ret_why)
{
	CLEAN_FREE char *path = xasprintf("%s/%s", root, key);
	CLEAN_FREE char *piece = xmalloc(PIECE);
	int r = check_root(root, ret_why);
	CLEAN_FD int fd = -1;
	ssize_t n = 1;

	if (r < 0)
		return r;
	r = file_open(FILE_GIVEN, path, &fd);
	if (r < 0)
		return r == -ENOENT ? r : cannot(ret_why, "open", path, -r);
	r = sink(arg, STR_EMPTY);
	while (r == 0 && n > 0) {
		n = read(fd, piece, PIECE);
		if (n < 0)
			return cannot(ret_why, "read", path, errno);
		if (n > 0)
			r = sink(arg, (str){piece, (size_t)n});
	}
	return r;
}

static int check_expected(
	const char *root, const char *key, const struct etag *expected, struct why *ret_why)
{
	struct buf body = {0};
	struct etag etag = {""};
	int r = store_file_get(root, key, &body, &etag, ret_why);

	buf_done(&body);
	if (r == -EIO)
		return r;
	if (expected ? r == 0 && strcmp(etag.text, expected->text) == 0 : r == -ENOENT)
		return 0;
	why_set(ret_why, "%s/%s %s", root, key,
		expected ? "was changed by somebody else" : "exists");
	return -ESTALE;
}

int store_file_put(const char *root, const char *key, str body, const struct etag *expected,
	struct etag *ret_etag, struct why *ret_why)
{
	CLEAN_FREE char *path = xasprintf("%s/%s", root, key);
	CLEAN_FREE char *lock_path = xasprintf("%s/.lock", root);
	CLEAN_FD int lock = -1; /* closing it unlocks */
	int r = check_root(root, ret_why);

	if (r < 0)
		return r;
	r = file_open_lock(FILE_GIVEN, lock_path, &lock);
	if (r == 0 && flock(lock, LOCK_EX) < 0)
		r = -errno;
	if (r < 0)
		return cannot(ret_why, "lock", lock_path, -r);
	r = check_expected(root, key, expected, ret_why);
	if (r < 0)
		return r;
	r = file_make_parents(FILE_GIVEN, path, 0700);
	if (r == 0)
		r = file_write(FILE_GIVEN, path, body, 0600);
	if (r < 0)
		return cannot(ret_why, "write", path, -r);
	sha256_text(body, ret_etag->text);
	return 0;
}

struct walk {
	unsigned found, max;
	bool removes;
};

static int walk_directory(DIR *take_dir, str prefix, struct walk *w);

static int walk_entry(int dir_fd, const char *name, struct walk *w)
{
	DIR *inside;
	int r = file_list(dir_fd, name, &inside);

	if (r == -ENOTDIR || r == -ELOOP) {
		w->found++;
		return w->removes ? file_remove(dir_fd, name) : 0;
	}
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = walk_directory(inside, STR_EMPTY, w);
	if (r == 0 && w->removes)
		(void)!file_remove_dir(dir_fd, name); /* stays if something is left in it */
	return r;
}

static int walk_directory(DIR *take_dir, str prefix, struct walk *w)
{
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && w->found < w->max && (entry = readdir(take_dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			str_starts(str_of(entry->d_name), prefix))
			r = walk_entry(dirfd(take_dir), entry->d_name, w);
	closedir(take_dir);
	return r;
}

static int walk_keys(const char *root, const char *prefix, struct walk *w, struct why *ret_why)
{
	const char *slash = strrchr(prefix, '/');
	CLEAN_FREE char *path =
		xasprintf("%s/%.*s", root, (int)(slash ? slash - prefix : 0), prefix);
	int r = check_root(root, ret_why);
	DIR *dir;

	if (r < 0)
		return r;
	r = file_list(FILE_GIVEN, path, &dir);
	if (r < 0)
		return r == -ENOENT ? 0 : cannot(ret_why, "open", path, -r);
	r = walk_directory(dir, str_of(slash ? slash + 1 : prefix), w);
	return r < 0 ? cannot(ret_why, w->removes ? "clear" : "read", path, -r) : 0;
}

int store_file_has(const char *root, const char *prefix, bool *ret, struct why *ret_why)
{
	struct walk w = {.max = 1};
	int r = walk_keys(root, prefix, &w, ret_why);

	if (r == 0)
		*ret = w.found > 0;
	return r;
}

int store_file_remove(const char *root, const char *prefix, unsigned max, struct why *ret_why)
{
	struct walk w = {.max = max, .removes = true};
	int r = walk_keys(root, prefix, &w, ret_why);

	return r < 0 ? r : (int)w.found;
}
