/* sound.h - is a database in good order? */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/why.h"
#include "base/buf.h"

/* SQLite's quick_check; blocks.  One that is in use is read as SQLite sees it, and neither writers
 * nor the WAL notice; of another nothing but the file counts, and nothing appears beside it.  0, or
 * -EUCLEAN and why.  What this SQLite cannot judge is 0 and a line in notes. */
int sound_check(const char *path, bool is_in_use, struct buf *notes, struct why *ret_why) MUST_USE;
