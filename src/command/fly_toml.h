/* fly_toml.h - what Fly's own configuration says about the end of a machine. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* Fly's default, where the file says nothing; and the maximum that it allows. */
#define FLY_KILL_TIMEOUT     5000u
#define FLY_KILL_TIMEOUT_MAX 300000u

/* kill_timeout of a fly.toml: from the signal to the kill.  It is a key before the first table; of
 * the rest of TOML only what is needed to skip other keys is understood: comments, all four kinds
 * of strings, arrays and inline tables.
 *
 * 0: *ret and *ret_line are set; -ENOENT: the key is missing; -EINVAL: its value is no length of
 * time (*ret_line is set). */
int fly_toml_kill_timeout(str text, msec *ret, unsigned *ret_line) MUST_USE;
