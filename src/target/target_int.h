/* target_int.h - what a target implements, and what all of them share.
 *
 * A further target is one file and a line in target.c: its struct begins with a struct target,
 * and its table of functions has what the platform can do; a function that is not there is answered
 * with -ENOTSUP by target.c.  Each takes a call, which has what is asked for, and ends it with
 * target_call_end, once, now or later; or target_call_work does so when a thread is done. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "base/magic.h"
#include "loop/work.h"
#include "target/target.h"

#define TARGET_ADDRESSES_MAX 8

enum { TARGET_MAGIC = MAGIC('t', 'r', 'g', 't'), TARGET_CALL_MAGIC = MAGIC('t', 'c', 'a', 'l') };

enum target_shape { TARGET_SHAPE_DONE, TARGET_SHAPE_ADDRESSES, TARGET_SHAPE_CREATED };

struct target_call {
	uint32_t magic;
	struct list link; /* target->calls */
	struct target *target;
	struct arena arena; /* owns all strings of this call */
	/* What is asked for; NUL-ended. */
	str machine;
	enum target_sleep how;
	struct target_wish wish;
	/* What came of it.  While a thread works on the call it is the thread's. */
	struct target_result result;
	struct address addresses[TARGET_ADDRESSES_MAX];
	size_t naddresses;
	str created;
	struct target_machine *machines;
	size_t nmachines;
	/* Who is told. */
	struct {
		enum target_shape shape;
		target_machine_fn *each;
		target_done_fn *done;
		target_addresses_fn *addresses;
		target_created_fn *created;
		void *arg;
		bool is_over; /* nobody any more */
	} to;
	void (*run)(struct target_call *call); /* on a thread */
	void *own;			       /* the implementation's; in the arena, or NULL */
};

typedef void target_call_fn(struct target_call *call);

struct target_ops {
	const char *name;
	bool discovers; /* its list has more than the configuration */
	/* Gives up what is under way in the loop, and ends those calls; threads see it for
	 * themselves. */
	void (*stop)(struct target *t);
	/* After stop, what was under way in the loop has not ended yet. */
	bool (*is_pending)(const struct target *t);
	/* Frees what is the target's own; not the struct, and not before its threads are done. */
	void (*close)(struct target *t);
	/* t->conf has changed. */
	void (*configure)(struct target *t);
	void (*self)(const struct target *t, struct target_self *ret);
	target_call_fn *list, *wake, *sleep, *sleep_other, *addresses, *create, *destroy;
};

struct target {
	uint32_t magic;
	const struct target_ops *ops;
	struct loop *loop;
	struct config *conf; /* in force; one reference */
	char *const *environ;
	unsigned port;
	struct list calls; /* that have not ended */
	struct work *work; /* threads that ask and wait */
	bool is_stopped;
};

/* A value of an environment, or NULL. */
const char *target_environ(char *const *environ, const char *name);
/* A call that is under way. */
struct target_call *target_call_new(struct target *t, void *arg) MUST_USE;
/* Whoever asked is told that it is given up; a thread may still have the call. */
void target_call_cancel(struct target_call *call);
/* Says how the call ended; any thread that has the call. */
void target_call_set(struct target_call *call, int error, const char *fmt, ...) PRINTF(3, 4);
/* Adds a machine to those that are listed; its strs are copied. */
void target_call_add_machine(struct target_call *call, const struct target_machine *m);
/* Adds an address, unless there are enough. */
void target_call_add_address(struct target_call *call, const struct address *address);
/* Whoever asked is told what was set, at the end of this turn.  In the loop. */
void target_call_end(struct target_call *call);
/* Runs run(call) on a thread, and then ends the call. */
void target_call_work(struct target_call *call, target_call_fn *run);
/* For a thread: the call is given up, and is to return soon. */
static inline bool target_call_is_over(const struct target_call *call)
{
	return work_is_stopping(call->target->work);
}

/* configured.c: the machines, and where they are, as the configuration says; names are resolved. */
target_call_fn target_configured_list, target_configured_addresses;
/* The list, for a call that goes on. */
void target_configured_add(struct target_call *call);

/* Makes a target of this kind; target.c fills in what they share before and after.  0, or -errno
 * with *ret_reason. */
typedef int target_make_fn(
	const struct target_setup *setup, struct target **ret, char **ret_reason);
target_make_fn target_none_new, target_fly_new, target_hosts_new, target_kubernetes_new;
