/* wall.c - the time of day, read at most once a tick of the kernel. */
/* SPDX-License-Identifier: MIT */
#include "proxy/wall.h"

#include <time.h>

#include "http/date.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t wall_msec(void)
{
	return read_clock(CLOCK_REALTIME_COARSE);
}

uint64_t wall_exact(void)
{
	return read_clock(CLOCK_REALTIME);
}

str wall_date(void)
{
	static _Thread_local struct date_cache cache;

	return date_cached(&cache, (int64_t)(wall_msec() / 1000));
}
