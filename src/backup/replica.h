/* replica.h - one database at Litestream: registered, confirmed, released. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/daemon.h"
#include "base/magic.h"

enum { REGISTRY_MAGIC = MAGIC('r', 'e', 'g', 'i') };

/* The databases that the daemon was given. */
struct registry {
	uint32_t magic;
	struct loop *loop;
	struct daemon *daemon;
	struct list waiting; /* tasks, for the daemon */
	uint64_t released;   /* by the present daemon, which leaks a little each time */
};

#define REGISTERED_ONCE                                                                            \
	UINT64_MAX /* a generation that never exists: it was known, and is not any more */

struct replica {
	const char *path;	/* borrowed */
	char *url;		/* owned; it contains the epoch */
	uint64_t registered_in; /* generation of the daemon that knows it, or knew it; 0: none */
	uint64_t txid, replicated_txid; /* as last told */
	bool is_confirmed;		/* the last answer was that the store has everything */
	msec confirmed_at;		/* when it said so last; 0: never */
	msec failing_since;		/* 0: the last try did not fail */
	unsigned stalls; /* times that the daemon was replaced because of it, in vain */
	struct why why;	 /* of the last failure; empty after a success */
};

enum task_kind { TASK_REGISTER, TASK_SYNC, TASK_RELEASE };
enum task_result {
	TASK_DONE,
	TASK_NO_FILE /* nothing to sync yet; it is registered */,
	TASK_LOST /* the Litestream that knew it does not know it any more: what it missed must be
		     found out before another one is given it.  registered_in stays, as the sign of
		     that */
	,
	TASK_FAILED
};

struct task;
/* Exactly once, never from inside task_start or task_cancel. */
typedef void task_fn(void *arg, struct replica *r, enum task_result result);

void registry_init(struct registry *reg, struct loop *l);
/* Zero is fine.  Tasks do not come back to it. */
void registry_done(struct registry *reg);
/* From the daemon's on_ready. */
void registry_ready(struct registry *reg);

/* TASK_SYNC registers first where that is needed, and is done when the store has everything that
 * was committed before: txid == replicated_txid.  All wait for the daemon, and for the next one if
 * it dies (unless they are hasty, or it knew r already: TASK_LOST), until `until`.  r stays in
 * place until done is called. */
struct task *task_start(struct registry *reg, struct replica *r, enum task_kind kind, msec until,
	bool is_hasty, task_fn *done, void *arg);
/* From the daemon's on_lost. */
void registry_lost(struct registry *reg);
/* Fails soon, instead of at `until`. */
void task_cancel(struct task *t, const char *why);
