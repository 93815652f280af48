/* enter.h - a step between us and a program that is started in a user namespace of its own.
 *
 * Without root, a process must write /proc/self/uid_map to be allowed to mount, and that file
 * belongs to root as long as the process is not dumpable, which ours is not.  So this program is
 * executed once more, with a memory that holds no secrets, and then executes the other program. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* argv[1] of such a start; main.c then calls enter_main before anything else. */
#define ENTER_FLAG "--enter"

/* Returns only if it failed (or was only to try). */
int enter_main(int argc, char **argv) MUST_USE;
