/* files.h - files that are written whole or not at all, and directories that are made on the way.
 */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

/* Makes the directories above the last slash of path.  0 or -errno. */
int files_make_parents(const char *path, mode_t mode) MUST_USE;
/* The directory dir/rest, which is made (0: it must be there).  A link within dir is followed only
 * if it is ours: whoever else may write there could point it anywhere.  0 or -errno; -ELOOP for
 * such a link. */
int files_open_beneath(const char *dir, const char *rest, mode_t mode, int *ret_fd) MUST_USE;
/* Appends at most max bytes; -EFBIG when there are more, -EINVAL of what is no file: it waits for
 * nobody, whatever a tenant has put there. */
int files_read(const char *path, size_t max, struct buf *ret) MUST_USE;
/* Writes path.tmp (a new file, whatever had this name), flushes it to the disk, renames it, flushes
 * the directory. */
int files_write(const char *path, str content, mode_t mode) MUST_USE;
/* Flushes the directory that path is in. */
int files_sync_parent(const char *path) MUST_USE;
int files_sync(const char *path) MUST_USE;
/* Removes a file, or a directory with what is in it; no error if there is none. */
int files_remove(const char *path) MUST_USE;
