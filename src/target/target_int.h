/* target_int.h - what a target implements, and what all of them share.
 *
 * A further target is one file and a row of targets.def: its struct begins with a struct target,
 * and its table of functions has what the platform can do; a function that is not there is answered
 * with -ENOTSUP by target.c. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/magic.h"
#include "target/target.h"

enum { TARGET_MAGIC = MAGIC('t', 'r', 'g', 't') };

/* As the functions of target.h, whose contract they keep. */
struct target_ops {
	/* Gives up what is under way, and frees what is the target's own; not the struct. */
	void (*close)(struct target *t);
	bool (*is_pending)(const struct target *t);
	/* t->conf has changed. */
	void (*configure)(struct target *t);
	void (*self)(const struct target *t, struct target_self *ret);
	void (*list)(struct target *t, target_machine_fn *each, target_done_fn *done, void *arg);
	void (*wake)(struct target *t, str machine, target_done_fn *done, void *arg);
	void (*sleep)(struct target *t, enum target_sleep how, target_done_fn *done, void *arg);
	void (*sleep_other)(struct target *t, str machine, enum target_sleep how,
		target_done_fn *done, void *arg);
	void (*addresses)(struct target *t, str machine, target_addresses_fn *done, void *arg);
	void (*create)(struct target *t, const struct target_wish *wish, target_created_fn *done,
		void *arg);
	void (*destroy)(struct target *t, str machine, target_done_fn *done, void *arg);
};

struct target {
	uint32_t magic;
	enum target_kind kind;
	const struct target_ops *ops;
	struct loop *loop;
	struct config *conf; /* in force; one reference */
	char *const *environ;
	unsigned port;
	struct list answers; /* that are due at the end of this turn */
};

/* A value of our environment, or NULL. */
const char *target_environ(const struct target *t, const char *name);
/* `done` at the end of this turn, with this error and its reason, which is formatted now. */
void target_answer(struct target *t, target_done_fn *done, void *arg, int error, const char *fmt,
	...) PRINTF(5, 6);

/* Makes a target of this kind; target.c fills in what they share.  NULL and *ret_reason. */
typedef struct target *target_make_fn(const struct target_setup *setup, char **ret_reason);
target_make_fn target_none_new;
