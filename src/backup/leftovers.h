/* leftovers.h - what killed restores, crashes and earlier lives of a tenant left beside its
 * databases. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/plan.h"

/* What is at path: absent, empty, a database by its header, or something else. */
enum local_file leftovers_look(const char *path);
/* `base`: the directory above it that is ours, as in file.h.  Removes what a killed restore left
 * (x.restoring*). */
void leftovers_clear_restore(const char *base, const char *path);
/* Moves a database (if it is there) with its -wal, -shm and -journal into
 * p->dir/.stale/<time>.epoch-<n>/; nothing is lost, and none of it can get into another database of
 * the same name.  0 or -errno. */
int leftovers_set_aside(struct plan *p, uint64_t epoch, const char *path) MUST_USE;
/* Removes Litestream's own state of a database, so that it starts with a snapshot. */
int leftovers_forget_replica(const char *base, const char *path) MUST_USE;
/* A -wal or -journal without its database would be replayed into the next one: set aside.  The -wal
 * beside a database is the normal state after a crash, and stays. */
int leftovers_clear_orphans(struct plan *p, uint64_t epoch, const char *path) MUST_USE;
