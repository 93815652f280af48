/* renew.h - starts a new epoch for databases that stay where they are. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/record.h"

/* Blocks.  Litestream must know none of the databases now.
 *
 * In this order, so that a crash after any step leaves files that are proven: the proof says that
 * this epoch is about to be taken and by whom, HEAD takes it, Litestream's own state goes, the
 * proof says that it was taken.  HEAD goes on naming the replicas of older epochs until those of
 * the new one are confirmed. */
struct renewal {
	struct store *store; /* borrowed, these six */
	const char *store_url, *dir;
	const char *base; /* of the databases: struct entry */
	str tenant;
	char *const *paths;
	size_t npaths;
	bool is_offline; /* head is not from the store: read it first */
	msec until;
	struct head head; /* of the present epoch; then of the new one */
	struct etag etag;
	int result; /* 0; -EUCLEAN: one of them is damaged, and nothing was begun; else -errno */
	struct why why;
};
void renew_epoch(void *renewal);
