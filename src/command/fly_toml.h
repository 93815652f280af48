/* fly_toml.h - what Fly's own configuration says about the end of a machine. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* Fly's own, where the file says nothing; and the most that it allows. */
#define FLY_KILL_TIMEOUT     5000u
#define FLY_KILL_TIMEOUT_MAX 300000u

/* kill_timeout of a fly.toml: from the signal to the kill.  It is one key before the first table,
 * and nothing else of TOML is understood here but what is needed to pass over other keys: comments,
 * strings of all four kinds, arrays and tables in braces.
 *
 * 0: *ret and *ret_line are set; -ENOENT: it is not said; -EINVAL: it is no length of time
 * (*ret_line is set). */
int fly_toml_kill_timeout(str text, msec *ret, unsigned *ret_line) MUST_USE;
