/* live.h - the pages of a database that is in use, as SQLite would see them now. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "backup/pages.h"

/* Reads every page in one read transaction, so that no writer waits, and neither changes the
 * database nor ends its WAL.  Blocks as long as reading the file takes; gives up (-ECANCELED) when
 * *stop becomes true.  0, -ENOENT (no file), -EIO and why. */
int live_read(
	const char *path, const atomic_bool *stop, struct pages *ret, struct why *ret_why) MUST_USE;
