/* beneath.h - opening a file below a directory, and nowhere else. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

/* For reading, without waiting; `name` is relative to `dir`.  Links are followed as long as all of
 * the way stays below it.  The descriptor, or -errno: -EXDEV where it leads out, -EAGAIN only if
 * files above were renamed all the while. */
int open_beneath(int dir, const char *name) MUST_USE;
