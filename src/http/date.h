/* date.h - dates of HTTP (RFC 9110 5.6.7). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define DATE_LENGTH 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Seconds since 1970, years 0 to 9999; later and earlier moments are clamped. */
void date_write(char out[DATE_LENGTH], int64_t unix_seconds);

/* Writes the same text many times a second.  Zero is empty; one for each thread. */
struct date_cache {
	int64_t unix_seconds;
	size_t length; /* 0 or DATE_LENGTH */
	char text[DATE_LENGTH];
};
/* Valid until the next call with another second. */
str date_cached(struct date_cache *c, int64_t unix_seconds);

/* IMF-fixdate, RFC 850 and asctime forms, case-sensitive, the day's name not compared with the
 * date.  `now` decides the century of RFC 850's two digits: at most 50 years ahead.  0 or
 * -EINVAL. */
int date_parse(str s, int64_t now, int64_t *ret_unix_seconds) MUST_USE;
