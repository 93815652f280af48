/* wall.h - the time of day: for dates and ages. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* Milliseconds since 1970, as of the last tick of the kernel. */
uint64_t wall_msec(void);
/* The same, read exactly. */
uint64_t wall_exact(void);
/* For a field: Date. */
str wall_date(void);
