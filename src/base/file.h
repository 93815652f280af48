/* file.h - files and directories, for a process that works where others may set traps for it.
 *
 * A file is named by `dir` and `path`.  `dir` is the descriptor of a directory, and `path` leads
 * down from there: never up (-EINVAL), and through a link to a directory only if that link is ours
 * and has no second name (-ELOOP), since anyone else who may write there can point one anywhere.
 * FILE_GIVEN instead of a descriptor says that the operator has given us the path: links above its
 * last name are followed, whatever their owner.  The last name is never followed, with two
 * exceptions: by the functions named _given, and where it is a directory that the operator gave.
 *
 * What is opened for reading is a regular file (else -EISDIR or -EINVAL), and opening never waits,
 * whatever a tenant has put in its place.  All of them block as the disk does.  0 or -errno. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <dirent.h>
#include <fcntl.h>

#include "base/buf.h"

#define FILE_GIVEN AT_FDCWD

/* --- places --- */

/* A directory, to be the `dir` of other calls; with a mode it is made, and those above it. */
int file_open_dir(int dir, const char *path, mode_t mode, int *ret_fd) MUST_USE;
/* `path` as a name below the directory `base` (which the operator gave): the directory, open, and
 * the rest of the path.  FILE_GIVEN and all of the path where base is NULL or not above it. */
int file_open_base(
	const char *base, const char *path, int *ret_dir, const char **ret_rest) MUST_USE;
/* Makes a directory and those above it; it may exist already. */
int file_make_dirs(int dir, const char *path, mode_t mode) MUST_USE;
/* What is above the last slash. */
int file_make_parents(int dir, const char *path, mode_t mode) MUST_USE;
/* Makes one that did not exist (else -EEXIST). */
int file_make_new_dir(int dir, const char *path, mode_t mode) MUST_USE;
/* The entries of a directory, for readdir(3); closedir(3) it. */
int file_list(int dir, const char *path, DIR **ret) MUST_USE;

/* --- reading --- */

int file_open(int dir, const char *path, int *ret_fd) MUST_USE;
/* A path from the operator, or of an application's own code: its last name may be a link too. */
int file_open_given(const char *path, int *ret_fd) MUST_USE;
/* Whatever `path` names, without waiting, as long as the whole way stays below `dir`: links are
 * followed. -EXDEV if it leads out; -EAGAIN only if directories above kept being renamed. */
int file_open_beneath(int dir, const char *path, int *ret_fd) MUST_USE;
/* Appends the whole content, at most `max` bytes: nothing of a longer file (-EFBIG). */
int file_read(int dir, const char *path, size_t max, struct buf *ret) MUST_USE;
int file_read_given(const char *path, size_t max, struct buf *ret) MUST_USE;
/* From where the descriptor stands to the end; it may be a pipe. */
int file_read_from(int fd, size_t max, struct buf *ret) MUST_USE;
/* A file of the kernel's, in /proc or /sys, by one read, as the kernel makes it for a reader.  The
 * number of bytes, of which there may be more than `size`, or -errno.  Allocates nothing. */
ssize_t file_read_kernel(const char *path, char *out, size_t size) MUST_USE;

/* A device of the kernel's, or what a test puts in its place, for reads that do not wait. */
int file_open_device(const char *path, int *ret_fd) MUST_USE;

/* --- writing --- */

/* After any crash there is either all of the content or what was there before: a new file named
 * path.tmp (one left by an earlier crash is removed first) is flushed to the disk and renamed, and
 * the directory is flushed.  The mode does not depend on the umask. */
int file_write(int dir, const char *path, str content, mode_t mode) MUST_USE;
/* The same, but -EEXIST if there is one: two that write at once end up with the same one. */
int file_write_new(int dir, const char *path, str content, mode_t mode) MUST_USE;
/* An empty file, unless it exists. */
int file_touch(int dir, const char *path, mode_t mode) MUST_USE;
/* A file to be locked with flock(2), made if it does not exist (0600). */
int file_open_lock(int dir, const char *path, int *ret_fd) MUST_USE;
/* A file that another program has written replaces another one, for good: the file is flushed
 * before and the directory after. */
int file_replace(int dir, const char *from, const char *to) MUST_USE;
/* Into another directory of the same file system; not flushed. */
int file_move(int from_dir, const char *from, int to_dir, const char *to) MUST_USE;

/* --- owner and mode --- */

/* `kind` (S_IFREG, S_IFDIR, S_IFSOCK) is what must be there, else -EINVAL; a regular file must have
 * only one name (-EMLINK), since another one may be its real name. */
int file_give(int dir, const char *path, mode_t kind, uid_t uid, gid_t gid) MUST_USE;
int file_set_mode(int dir, const char *path, mode_t kind, mode_t mode) MUST_USE;

/* --- removing: it is no error if there is nothing --- */

/* Anything but a directory. */
int file_remove(int dir, const char *path) MUST_USE;
/* An empty directory. */
int file_remove_dir(int dir, const char *path) MUST_USE;
/* Anything, with all that is in it.  -E2BIG if it is too deep or has too many entries, -EXDEV where
 * another file system begins: what was reached before that is gone then. */
int file_remove_tree(int dir, const char *path) MUST_USE;
