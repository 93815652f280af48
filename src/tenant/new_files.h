/* new_files.h - databases that an application makes while it runs are replicated as well.
 *
 * Costs nothing while nothing is made (inotify on their folders; one instance for all, since the
 * kernel allows few). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "config/config.h"
#include "loop/loop.h"

struct tenant;
struct new_files;

struct new_files_watcher {
	struct watch watch; /* loop is NULL until it is needed */
	struct list active; /* struct new_files */
};

/* How many of the databases that have a backup are not there (or are empty still). */
unsigned new_files_missing(const struct tenant_conf *t);
/* Registers each with the replicator when it appears, until none is missing. */
void new_files_watch(struct tenant *t);
/* NULL is fine. */
void new_files_free(struct new_files *n);

void new_files_watcher_init(struct new_files_watcher *w);
void new_files_watcher_done(struct new_files_watcher *w);
