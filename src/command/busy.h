/* busy.h - keeps a tenant awake: for a time, or while a command runs. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "command/command_int.h"

/* The exit status: the command's, if there is one; 128 and the number of the signal that ended
 * it. */
int busy_run(const struct options *o);
