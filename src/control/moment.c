/* moment.c - formats a time of day, and converts the monotonic clock to it. */
/* SPDX-License-Identifier: MIT */
#include "control/moment.h"

#include <time.h>

uint64_t moment_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void moment_add(struct json *j, const char *key, uint64_t moment)
{
	time_t seconds = (time_t)(moment / 1000);
	char text[32];
	size_t n;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	text[n++] = '.';
	for (unsigned ms = (unsigned)(moment % 1000), digit = 100; digit; digit /= 10)
		text[n++] = (char)('0' + ms / digit % 10);
	text[n++] = 'Z';
	json_str(j, key, (str){text, n});
}
