/* status.c - the phrases of status codes. */
/* SPDX-License-Identifier: MIT */
#include "http/status.h"

static const str reasons[] = {
#define X(code, phrase) [(code)-100] = STR_INIT(phrase),
#include "http/status.def"
#undef X
};

str status_reason(unsigned status)
{
	if (status < 100 || status - 100 >= NITEMS(reasons) || !reasons[status - 100].p)
		return STR("Unknown");
	return reasons[status - 100];
}
