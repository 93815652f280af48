/* renew.c - the steps from one epoch to the next, each safe to die after. */
/* SPDX-License-Identifier: MIT */
#include "backup/renew.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "backup/leftovers.h"
#include "backup/sound.h"
#include "base/alloc.h"

/* 1 if an earlier try has taken the epoch already, without learning of it. */
static int load_head(struct renewal *r)
{
	uint64_t ours = r->head.epoch;
	struct head head = {0};
	int result = head_load(r->store, r->tenant, r->until, &head, &r->etag, &r->why);

	if (result == -ENOENT) {
		why_set(&r->why, "the record HEAD of " STR_FMT " has vanished from the store",
			STR_ARG(r->tenant));
		return -ESTALE;
	}
	if (result < 0)
		return result;
	if (head.epoch == ours + 1 && strcmp(head.writer, record_writer()) == 0) {
		result = 1;
	} else if (head.epoch != ours) {
		why_set(&r->why,
			"another fly-atc has taken over " STR_FMT " (epoch %llu, ours is %llu)",
			STR_ARG(r->tenant), (unsigned long long)head.epoch,
			(unsigned long long)ours);
		head_done(&head);
		return -ESTALE;
	}
	/* Only we know what was confirmed since it was written. */
	for (size_t i = 0; i < r->head.ndatabases && result == 0; i++)
		head_set(&head, r->head.databases[i].name, r->head.databases[i].epoch,
			r->head.databases[i].txid);
	head_done(&r->head);
	r->head = head;
	return result;
}

static int take_epoch(struct renewal *r)
{
	head_leave(&r->head, r->head.epoch, (int64_t)time(NULL));
	r->head.epoch++;
	r->head.is_sealed = false;
	return head_save(r->store, r->tenant, &r->head, r->until, &r->etag, &r->why);
}

static int forget_replicas(struct renewal *r)
{
	int result = 0;

	for (size_t i = 0; i < r->npaths && result == 0; i++) {
		result = leftovers_forget_replica(r->base, r->paths[i]);
		if (result < 0)
			why_set(&r->why, "cannot clear Litestream's state of %s: %s", r->paths[i],
				strerror(-result));
	}
	return result;
}

/* A damaged database must not replace a good copy. */
static int check_databases(struct renewal *r)
{
	struct buf notes = {0};
	int result = 0;

	for (size_t i = 0; i < r->npaths && result == 0; i++) {
		struct why why = {""};

		if (access(r->paths[i], F_OK) == 0)
			result = sound_check(r->paths[i], true, &notes, &why);
		if (result < 0)
			why_set(&r->why, "%s is damaged: %s", r->paths[i], why.text);
	}
	buf_done(&notes);
	return result;
}

void renew_epoch(void *renewal)
{
	struct renewal *r = renewal;
	int result = check_databases(r);

	if (result == 0)
		result = proof_announce(r->dir, r->tenant, r->head.epoch, &r->why);
	if (result == 0 && (r->is_offline || !r->etag.text[0]))
		result = load_head(r);
	if (result == 0)
		result = take_epoch(r);
	if (result >= 0)
		result = forget_replicas(r);
	if (result >= 0)
		result = proof_save_head(r->dir, r->tenant, r->store_url, &r->head, &r->why);
	r->result = MIN(result, 0);
}
