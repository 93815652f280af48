/* target.h - the platform that the machines of the fleet are on: who we are, who the others are,
 * how one is woken, and how we sleep.
 *
 * There is one implementation for each target, behind one table of functions (target_int.h).  What
 * it cannot do it answers with -ENOTSUP and what to do about it; it never pretends.  Everything
 * here is called in the supervisor's loop and does not block it.
 *
 * Each callback that is called `done` comes exactly once, from the loop, never from inside the call
 * that took it; those that are still to come then, from inside target_stop.  Names of machines are
 * those of the configuration: on Fly the id of the machine. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "loop/loop.h"
#include "net/socket.h"

struct target;

/* How a call ended.
 *
 * 0:          it is done.
 * -ENOTSUP:   this target cannot do it, or not without what the reason names.
 * -ENOENT:    there is no such machine.
 * -EAGAIN:    refused for now (a limit of its rate, no capacity, in the middle of something else).
 * -EACCES:    refused for good: what we have does not permit it.
 * -ETIMEDOUT: it was asked for, and is not there yet.
 * -ECANCELED: given up by target_stop.
 * -EIO:       anything else, such as an answer that makes no sense. */
struct target_result {
	int error;
	const char *reason; /* for people, without a secret; empty without an error; borrowed */
	msec retry_after;   /* with -EAGAIN: not before; 0: it was not said */
};
typedef void target_done_fn(void *arg, const struct target_result *r);

/* Facts about this machine; what is not known is empty or 0. */
struct target_self {
	str machine, region, app;
	str image;
	uint64_t memory; /* bytes */
};

/* One machine of the fleet as the platform shows it; its strs are valid until the callback
 * returns. */
struct target_machine {
	str name;
	str label; /* what people call it; may be empty */
	str region;
	str state;   /* in the platform's words, such as "started"; empty: it does not say */
	str address; /* as configured or told; empty: see target_addresses */
	bool is_self;
};
typedef void target_machine_fn(void *arg, const struct target_machine *m);

/* Ways to sleep. */
enum target_sleep {
	TARGET_SUSPEND, /* with memory: we go on later, as if nothing had been */
	TARGET_STOP,	/* we are told to end, by a signal as always */
	TARGET_EXIT,	/* not done by the target: whether it is right to exit with 0 */
};

/* Where a machine's fly-atc may be reached, the likeliest first; none unless r->error is 0. */
typedef void target_addresses_fn(void *arg, const struct target_result *r,
	const struct address *addresses, size_t naddresses);

/* A machine that is to be made: like this one, but for: */
struct target_wish {
	str name;   /* empty: the platform's choice */
	str region; /* empty: ours */
	str key;    /* what makes a second try find what the first one has made; not empty */
};
/* name: of the machine, if r->error is 0; also if it was there already. */
typedef void target_created_fn(void *arg, const struct target_result *r, str name);

struct target_setup {
	struct loop *loop;
	struct config *conf;  /* a reference is taken */
	char *const *environ; /* NULL-ended; borrowed for as long as the target lives */
	unsigned port; /* on which each fly-atc of this fleet listens, unless its address says it */
};

/* The target of this configuration and environment.  NULL and *ret_reason (malloc'd) if it is one
 * that cannot be what it is meant to be. */
struct target *target_new(const struct target_setup *setup, char **ret_reason) MUST_USE;
/* What is under way is given up, and whoever waits is told so; nothing more may be asked.  NULL is
 * fine. */
void target_stop(struct target *t);
/* Threads still run for calls that were given up: neither it nor the loop can be freed yet. */
bool target_is_pending(const struct target *t);
/* After target_stop, with nothing pending.  NULL is fine. */
void target_free(struct target *t);
/* Another configuration is in force. */
void target_configure(struct target *t, struct config *conf);

/* "fly", "none", … */
const char *target_name(const struct target *t);
/* Who we are; valid until target_configure. */
struct target_self target_self(const struct target *t);

/* Whether it knows of machines that the configuration does not name. */
bool target_discovers(const struct target *t);
/* Calls `each` for every machine of the fleet, ourselves included, sleeping ones too; then done. */
void target_list(struct target *t, target_machine_fn *each, target_done_fn *done, void *arg);
/* Wakes a machine.  0 when the platform says that it runs; its fly-atc may still be about to
 * listen. One that runs already is none the worse for it. */
void target_wake(struct target *t, str machine, target_done_fn *done, void *arg);
/* Puts us to sleep.  0 when the platform has accepted: any moment from now on time may jump, or a
 * signal come.  With TARGET_EXIT 0 means that the caller may exit, and that we are woken again. */
void target_sleep(struct target *t, enum target_sleep how, target_done_fn *done, void *arg);
/* Puts another machine to sleep.  Before a stop its fly-atc ends its work; a suspend freezes it as
 * it is. */
void target_sleep_other(
	struct target *t, str machine, enum target_sleep how, target_done_fn *done, void *arg);
/* Where a machine is to be reached now; asked afresh each time.  -EAGAIN: nowhere yet. */
void target_addresses(struct target *t, str machine, target_addresses_fn *done, void *arg);
void target_create(
	struct target *t, const struct target_wish *wish, target_created_fn *done, void *arg);
/* Removes a machine, and its disk with it. */
void target_destroy(struct target *t, str machine, target_done_fn *done, void *arg);
