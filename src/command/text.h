/* text.h - lengths of time and amounts of memory as people read them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define TEXT_MAX 32

/* "0", "250ms", "3.2s", "42s", "2m03s", "3h12m", "2d04h". */
void text_duration(msec v, char out[TEXT_MAX]);
/* "512B", "6.1MB", "182MB": powers of 1000, two or three digits. */
void text_size(uint64_t bytes, char out[TEXT_MAX]);
