/* text.c - formats durations and sizes, and removes what would control a terminal. */
/* SPDX-License-Identifier: MIT */
#include "command/text.h"

#include <stdio.h>
#include <time.h>

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static void in_two_units(
	msec v, msec unit, const char *name, msec part, const char *part_name, char out[TEXT_MAX])
{
	snprintf(out, TEXT_MAX, "%llu%s%02llu%s", (unsigned long long)(v / unit), name,
		(unsigned long long)(v % unit / part), part_name);
}

void text_duration(msec v, char out[TEXT_MAX])
{
	if (v == 0)
		snprintf(out, TEXT_MAX, "0");
	else if (v < SECOND)
		snprintf(out, TEXT_MAX, "%ums", (unsigned)v);
	else if (v < 10 * SECOND)
		snprintf(out, TEXT_MAX, "%u.%us", (unsigned)(v / SECOND),
			(unsigned)(v % SECOND / 100));
	else if (v < MINUTE)
		snprintf(out, TEXT_MAX, "%us", (unsigned)(v / SECOND));
	else if (v < HOUR)
		in_two_units(v, MINUTE, "m", SECOND, "s", out);
	else if (v < DAY)
		in_two_units(v, HOUR, "h", MINUTE, "m", out);
	else
		in_two_units(v, DAY, "d", HOUR, "h", out);
}

void text_moment(msec from_now, char out[TEXT_MAX])
{
	time_t now = time(NULL), then = now + (time_t)(from_now / SECOND);
	struct tm today, day;

	localtime_r(&now, &today);
	localtime_r(&then, &day);
	strftime(out, TEXT_MAX,
		day.tm_yday == today.tm_yday && day.tm_year == today.tm_year ? "%H:%M:%S"
									     : "%Y-%m-%d %H:%M:%S",
		&day);
}

void text_size(uint64_t bytes, char out[TEXT_MAX])
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)bytes;
	size_t i = 0;

	/* What would be rounded to 1000 of a unit is 1.0 of the next. */
	for (; v >= 999.5 && i + 1 < NITEMS(units); i++)
		v /= 1000;
	snprintf(out, TEXT_MAX, "%.*f%s", i && v < 9.95 ? 1 : 0, v, units[i]);
}

static unsigned char byte_at(str s, size_t i)
{
	return i < s.n ? (unsigned char)s.p[i] : 0;
}

/* The length of the sequence at s[i] that would control a terminal, or 0. */
static size_t control_length(str s, size_t i)
{
	unsigned char c = byte_at(s, i), second = byte_at(s, i + 1), third = byte_at(s, i + 2);

	if ((c < 0x20 && c != '\t') || c == 0x7f)
		return 1;
	if (c == 0xc2 && second >= 0x80 && second <= 0x9f) /* C1 */
		return 2;
	/* U+202A to 202E, U+2066 to 2069 */
	if (c == 0xe2 && ((second == 0x80 && third >= 0xaa && third <= 0xae) ||
				 (second == 0x81 && third >= 0xa6 && third <= 0xa9)))
		return 3;
	return 0;
}

void text_add_harmless(struct buf *out, str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = control_length(s, i);

		if (n)
			buf_add(out, STR("\xef\xbf\xbd"));
		else
			buf_add_char(out, s.p[i]);
		i += n ? n : 1;
	}
}
