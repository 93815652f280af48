/* platform.h - does the platform give us enough time to end? */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Warnings, each a line: Fly kills what has not ended by the kill_timeout of fly.toml, and we may
 * need longer.  The file is looked for in the working directory and beside the configuration. */
void platform_check(const struct config *c, struct buf *out);
