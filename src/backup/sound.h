/* sound.h - is a database in good order? */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/why.h"
#include "base/buf.h"

/* SQLite's quick_check; blocks.  A database in use is read as SQLite sees it, without disturbing
 * writers or the WAL; of any other only the file counts, and no files appear beside it.  0, or
 * -EUCLEAN and why.  If this SQLite cannot judge, 0 and a line in notes. */
int sound_check(const char *path, bool is_in_use, struct buf *notes, struct why *ret_why) MUST_USE;
