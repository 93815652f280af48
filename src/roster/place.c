/* place.c - where the roster is kept. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "roster/roster.h"

struct roster_place *roster_place_new(
	const struct config *c, const struct work *work, char **ret_reason)
{
	(void)c, (void)work;
	*ret_reason = xstrdup("this fly-atc cannot keep a roster yet");
	return NULL;
}

void roster_place_free(struct roster_place *p)
{
	(void)p;
}

const char *roster_place_name(const struct roster_place *p)
{
	(void)p;
	return "";
}

int roster_update(struct roster_place *p, struct roster *r, msec until, struct why *ret_why)
{
	(void)p, (void)r, (void)until;
	why_set(ret_why, "this fly-atc cannot read a roster yet");
	return -EIO;
}

int roster_keep(const struct config *c, const struct roster *r, struct why *ret_why)
{
	(void)c, (void)r;
	why_set(ret_why, "this fly-atc cannot keep a roster yet");
	return -EIO;
}

int roster_recall(
	const struct config *c, struct roster **ret, int64_t *ret_when, struct why *ret_why)
{
	(void)c, (void)ret, (void)ret_when;
	why_set(ret_why, "there is none");
	return -ENOENT;
}
