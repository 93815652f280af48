/* enter.h - a step between us and a program that is started in a user namespace of its own.
 *
 * Who is not root must write /proc/self/uid_map to get mounts, and that file belongs to root as
 * long as the memory is not dumpable, which ours is not.  So this program is executed once more,
 * with a memory that knows nothing, and becomes the other one. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* argv[1] of such a start; main.c then calls enter_main before anything else. */
#define ENTER_FLAG "--enter"

/* Returns only where it failed (or was only to try). */
int enter_main(int argc, char **argv) MUST_USE;
