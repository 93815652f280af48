/* text.h - durations, sizes and text from outside, as people read them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#define TEXT_MAX 32

/* "0", "250ms", "3.2s", "42s", "2m03s", "3h12m", "2d04h". */
void text_duration(msec v, char out[TEXT_MAX]);
/* When this much will have passed, by the clock: "14:03:21", with the date if that is another
 * day. */
void text_moment(msec from_now, char out[TEXT_MAX]);
/* "512B", "6.1MB", "182MB": powers of 1000, two or three digits. */
void text_size(uint64_t bytes, char out[TEXT_MAX]);
/* UTF-8 for a terminal: what would control it (C0 except the tab, C1, DEL, and what changes the
 * direction of writing) becomes U+FFFD. */
void text_add_harmless(struct buf *out, str s);
