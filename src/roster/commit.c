/* commit.c - writes a change. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/arena.h"
#include "roster/roster.h"

void roster_outcome_done(struct roster_outcome *o)
{
	buf_done(&o->text);
	config_faults_done(&o->faults);
}

int roster_commit(struct roster_place *p, const struct config_source *source, struct roster *r,
	const struct roster_request *q, msec until, struct roster_outcome *ret, struct why *ret_why)
{
	(void)p, (void)source, (void)r, (void)q, (void)until;
	*ret = (struct roster_outcome){0};
	why_set(ret_why, "this fly-atc cannot write a roster yet");
	return -EIO;
}

int roster_revert(struct roster_place *p, const struct config_source *source, struct roster *r,
	const struct roster_return *q, msec until, struct roster_outcome *ret, struct why *ret_why)
{
	(void)p, (void)source, (void)r, (void)q, (void)until;
	*ret = (struct roster_outcome){0};
	why_set(ret_why, "this fly-atc cannot write a roster yet");
	return -EIO;
}

void roster_record_done(struct roster_record *record)
{
	if (record->arena)
		arena_done(record->arena);
	free(record->arena);
	*record = (struct roster_record){0};
}

int roster_read_record(struct roster_place *p, uint64_t version, msec until,
	struct roster_record *ret, struct why *ret_why)
{
	(void)p, (void)version, (void)until, (void)ret;
	why_set(ret_why, "this fly-atc cannot read a roster yet");
	return -EIO;
}
