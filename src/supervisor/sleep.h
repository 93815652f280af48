/* sleep.h - the machine as a whole: nobody uses it, so it is put to sleep; and it goes on.
 *
 *   AWAKE > HOOK > EMPTYING > SAVING > ASKING > ASKED > RESUMING > AWAKE
 *
 * A request that comes before ASKING ends the sequence; one that comes later waits at the gate of
 * the proxy (link/activity.h), and is served when the machine goes on.  docs/sleep.md has the
 * whole of it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"
#include "supervisor/hooks.h"
#include "supervisor/slept.h"
#include "target/target.h"
#include "tenant/holds.h"

struct supervisor;

enum sleep_step {
	SLEEP_AWAKE,
	SLEEP_HOOK,	/* idle_hook runs */
	SLEEP_EMPTYING, /* tenants stop; not before a suspend */
	SLEEP_SAVING,	/* the store is to have everything */
	SLEEP_ASKING,	/* the platform was asked */
	SLEEP_ASKED,	/* it has accepted */
	SLEEP_RESUMING, /* what follows a sleep is done, and requests wait for it */
	SLEEP_LEAVING,	/* we end, or will be told to */
	SLEEP_BOOTING,	/* boot_hook runs */
};

/* What it needs of the supervisor. */
struct sleep_ops {
	void (*end)(struct supervisor *s);    /* fly-atc is told to end */
	void (*start)(struct supervisor *s);  /* the tenants that run from the start */
	void (*settle)(struct supervisor *s); /* a hook has ended: the end may wait for it */
	void (*ask)(struct supervisor *s);    /* does the proxy still respond? */
	void (*tell)(struct supervisor *s);   /* the proxy: RESUMED */
	/* The roster is read; done when what it says is in force, or it is not known. */
	void (*look)(struct supervisor *s, control_roster_fn *done);
};

struct sleeping {
	const struct sleep_ops *ops;
	struct hooks hooks;
	enum sleep_step step;
	unsigned serial;     /* of the sequence: what belongs to a former one is not heard */
	struct timer timer;  /* the next look; while a step lasts, what limits it */
	struct timer asking; /* the store once more, whether all is ours */
	struct holds holds;  /* POST /v1/busy */
	struct slept slept;
	msec awake_since;
	msec not_before; /* the next try */
	enum target_sleep how;
	unsigned refusals;	   /* of this way, in a row */
	char *fault;		   /* why it did not sleep, or NULL */
	msec began, resumed;	   /* the sequence; the last resume, or 0 */
	msec asked_at, stirred_at; /* 0: not */
	unsigned ask_serial;	   /* the sequence of the call to the platform */
	bool is_ask_pending;
	uint64_t sleeps;      /* that we know of */
	struct timer looking; /* how long the roster is waited for */
	bool is_looking;
	unsigned waits; /* in RESUMING: for so many things */
};

void sleep_init(struct supervisor *s, const struct sleep_ops *ops);
/* Everything runs: boot_hook, and then what waited for it. */
void sleep_start(struct supervisor *s);
/* Another configuration is in force. */
void sleep_configure(struct supervisor *s);
/* The proxy: see STIR in link/channel.def. */
void sleep_on_stir(struct supervisor *s, msec ahead);
/* A tenant rests. */
void sleep_on_rest(struct supervisor *s);
/* An operator says that the machine is at work; as busy_hold. */
int sleep_hold(struct supervisor *s, str name, msec length) MUST_USE;
void sleep_show(const struct supervisor *s, struct control_sleep *ret);
/* We are told to end. */
void sleep_end(struct supervisor *s);
/* What follows a resume, or boot_hook, is done: requests go on. */
void sleep_awake(struct supervisor *s);
void sleep_done(struct supervisor *s);
