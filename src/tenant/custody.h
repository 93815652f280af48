/* custody.h - whose the databases of a tenant are, where several fly-atc may have the same storage:
 * a deployment that starts the new one before it stops the old one.
 *
 * The kernel keeps it, in two files of the storage.  `.lock` (flock) says whether the storage is
 * shared at all: one that does not share has it alone.  `.custody/lock` has a byte for each tenant
 * (open file description locks): whoever has locked it may restore, replicate and start that
 * tenant, and nobody else touches its databases.  The first one has all of them, and gives them
 * away one by one when it is asked; what a killed one had is free.  Both files must be of a file
 * system of this machine, as SQLite's must be.  The guards hold the same descriptions, so that
 * nothing is free before what was ours is dead. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "base/str.h"
#include "loop/loop.h"

struct custody;

struct custody_events {
	/* All tenants are ours: at the start, or since the others have ended.  May come again. */
	void (*on_alone)(void *arg);
	/* Another one wants this tenant: custody_give it as soon as nothing here can touch its
	 * databases any more.  It may not be ours, or unknown. */
	void (*on_wanted)(void *arg, str id);
};

typedef void custody_fn(void *arg);

/* A tenant that we want.  Embed; zero is one that is not. */
struct custody_claim {
	struct list node; /* custody.waiting */
	char *id;
	msec asked_at; /* 0: the others have not all heard it */
	custody_fn *on_ours;
	void *arg;
};

enum { CUSTODY_FDS = 2 };

/* Opens and locks the storage, which exists.  With `shares` it succeeds while others have it.
 * Without, it is -EWOULDBLOCK then, with the pid of one of them; one that has just died is waited
 * for, as long as its guards need.  0 or another -errno. */
int custody_open(struct loop *l, const char *storage, bool shares, struct custody **ret,
	char ret_pid[16]) MUST_USE;
/* From now on there are events. */
int custody_listen(struct custody *c, const struct custody_events *events, void *arg) MUST_USE;
/* All tenants are ours.  NULL: nothing is shared. */
bool custody_is_alone(const struct custody *c);
/* What must be held open until everything of ours is dead: CUSTODY_FDS descriptors. */
void custody_fds(const struct custody *c, int ret[CUSTODY_FDS]);

/* True if it is ours now.  Otherwise the others are asked, and on_ours is called once, never from
 * inside this call, unless it is forgotten before. */
bool custody_take(struct custody *c, struct custody_claim *claim, str id, custody_fn *on_ours,
	void *arg) MUST_USE;
/* We no longer want it; if it is ours it stays so.  One that is not waiting is fine. */
void custody_forget(struct custody_claim *claim);
/* It is ours no more, and for a moment we leave it to whoever has asked. */
void custody_give(struct custody *c, str id);
/* NULL is fine.  No claim waits. */
void custody_close(struct custody *c);
