/* text.c - lengths of time and amounts of memory as people read them. */
/* SPDX-License-Identifier: MIT */
#include "command/text.h"

#include <stdio.h>

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
