/* files.h - files that are written whole or not at all, and directories that are made on the way.
 */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

/* Makes the directories above the last slash of path.  0 or -errno. */
int files_make_parents(const char *path, mode_t mode) MUST_USE;
/* Appends at most max bytes; -EFBIG when there are more. */
int files_read(const char *path, size_t max, struct buf *ret) MUST_USE;
/* Writes path.tmp, flushes it to the disk, renames it, flushes the directory. */
int files_write(const char *path, str content, mode_t mode) MUST_USE;
/* Flushes the directory that path is in. */
int files_sync_parent(const char *path) MUST_USE;
int files_sync(const char *path) MUST_USE;
/* Removes a file, or a directory with what is in it; no error if there is none. */
int files_remove(const char *path) MUST_USE;
