/* signing_time.c - the difference between the store's clock and the one that never stands still
 * while we run. */
/* SPDX-License-Identifier: MIT */
#include "backup/signing_time.h"

#include <stdatomic.h>
#include <time.h>

#define AGREES 60000 /* msec: our clock is as good as the store's */

/* The store's time when CLOCK_BOOTTIME was 0; 0: nothing was learned. */
static _Atomic int64_t epoch;

static int64_t clock_msec(clockid_t which)
{
	struct timespec now;

	clock_gettime(which, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void signing_time_learn(uint64_t wall)
{
	atomic_store(&epoch, (int64_t)wall - clock_msec(CLOCK_BOOTTIME));
}

bool signing_time_text(char ret[SIGNING_TIME_TEXT])
{
	int64_t learned = atomic_load(&epoch), wall, ours;
	struct tm utc;
	time_t seconds;

	if (!learned)
		return false;
	wall = learned + clock_msec(CLOCK_BOOTTIME);
	ours = clock_msec(CLOCK_REALTIME);
	if (wall - ours < AGREES && ours - wall < AGREES) {
		atomic_compare_exchange_strong(&epoch, &learned, 0);
		return false;
	}
	seconds = (time_t)(wall / 1000);
	gmtime_r(&seconds, &utc);
	return strftime(ret, SIGNING_TIME_TEXT, "%Y%m%dT%H%M%SZ", &utc) > 0;
}
