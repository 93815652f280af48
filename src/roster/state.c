/* state.c - what all changes up to a version come to. */
/* SPDX-License-Identifier: MIT */
#include "roster/roster.h"

#include <stdlib.h>

#include "base/alloc.h"

struct roster {
	uint64_t version;
};

struct roster *roster_new(void)
{
	return xcalloc(1, sizeof(struct roster));
}

struct roster *roster_copy(const struct roster *r)
{
	struct roster *copy = roster_new();

	*copy = *r;
	return copy;
}

void roster_free(struct roster *r)
{
	free(r);
}

uint64_t roster_version(const struct roster *r)
{
	return r->version;
}

void roster_write(const struct roster *r, struct buf *out)
{
	(void)r, (void)out;
}

int roster_parse(str text, struct roster **ret, struct why *ret_why)
{
	(void)text, (void)ret;
	why_set(ret_why, "this fly-atc cannot read a roster yet");
	return -EBADMSG;
}
