/* tally.c - counts crashes within a window, and doubles the pause after each failure. */
/* SPDX-License-Identifier: MIT */
#include "life/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static void forget(struct tally *t, size_t n)
{
	t->ncrashes -= n;
	if (n)
		memmove(t->crashes, t->crashes + n, t->ncrashes * sizeof(*t->crashes));
}

static size_t count_before(const struct tally *t, msec moment)
{
	size_t n = 0;

	while (n < t->ncrashes && t->crashes[n] < moment)
		n++;
	return n;
}

bool tally_crash(struct tally *t, msec now, size_t max, msec window)
{
	if (!window && max)
		max = SIZE_MAX - 1; /* no limit */
	forget(t, count_before(t, now > window ? now - window : 0));
	if (t->ncrashes > max)
		forget(t, t->ncrashes - max);
	t->crashes = xrealloc(t->crashes, (t->ncrashes + 1) * sizeof(*t->crashes));
	t->crashes[t->ncrashes++] = now;
	if (t->ncrashes > max)
		return false;
	tally_succeed(t);
	return true;
}

void tally_fail(struct tally *t, msec now)
{
	msec wait = TALLY_BACKOFF_FIRST;

	for (unsigned i = 0; i < t->failures && wait < TALLY_BACKOFF_LAST; i++)
		wait *= 2;
	t->failures++;
	t->retry_at = now + MIN(wait, (msec)TALLY_BACKOFF_LAST);
}

void tally_succeed(struct tally *t)
{
	t->failures = 0;
	t->retry_at = 0;
}

void tally_done(struct tally *t)
{
	free(t->crashes);
	*t = (struct tally){0};
}
