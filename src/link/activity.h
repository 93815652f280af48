/* activity.h - whether this machine is in use, and whether it is about to sleep: shared by the
 * supervisor and the threads of the proxy.
 *
 * The race between a request and the machine's sleep is decided here, as that of a tenant is in its
 * slot (sequentially consistent): a thread counts its request in and then reads the phase; the
 * supervisor writes the phase and then reads the counts.  Either it sees the request, and the
 * machine stays awake, or the request sees the phase, and waits at the gate. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/base.h"

enum activity_phase {
	ACTIVITY_AWAKE,
	ACTIVITY_DROWSY, /* it prepares to sleep; a request that comes ends that */
	ACTIVITY_GATED,	 /* it sleeps at any moment, or has just been resumed: requests for tenants
			    wait */
};

/* What may be counted as a use of the machine, once it is over. */
enum activity_use {
	ACTIVITY_REQUESTS = 1, /* a tenant has answered */
	ACTIVITY_FILES = 2,    /* from the cache, from public, or by a page of ours */
	ACTIVITY_REFUSED = 4,  /* either, and the answer was a refusal */
};

#define ACTIVITY_CELLS 64u /* as many as the proxy may have threads */

struct activity_cell {
	_Alignas(64) _Atomic uint32_t in_flight; /* requests and tunnels under way */
	_Atomic uint64_t last_use;		 /* monotonic msec at which one ended, or began */
};

struct activity {
	/* written by the supervisor */
	_Atomic uint32_t phase;
	_Atomic uint32_t uses; /* a set of enum activity_use */
	/* By how much (msec) the edge's clock is ahead of ours, as far as that is known already. */
	_Atomic uint64_t known_ahead;
	/* each written by its thread of the proxy */
	struct activity_cell cells[ACTIVITY_CELLS];
};

static inline enum activity_phase activity_phase(const struct activity *a)
{
	uint32_t phase = atomic_load(&a->phase);

	return phase <= ACTIVITY_GATED ? (enum activity_phase)phase : ACTIVITY_AWAKE;
}

/* Proxy: one more; then look at the phase. */
static inline void activity_enter(struct activity_cell *c)
{
	atomic_fetch_add(&c->in_flight, 1);
}

static inline void activity_leave(struct activity_cell *c)
{
	atomic_fetch_sub(&c->in_flight, 1);
}

static inline void activity_note_use(struct activity_cell *c, msec now)
{
	atomic_store_explicit(&c->last_use, now, memory_order_relaxed);
}

/* Supervisor, after writing the phase. */
static inline uint64_t activity_in_flight(const struct activity *a)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ACTIVITY_CELLS; i++)
		n += atomic_load(&a->cells[i].in_flight);
	return n;
}

/* 0: never. */
static inline msec activity_last_use(const struct activity *a)
{
	msec last = 0;

	for (size_t i = 0; i < ACTIVITY_CELLS; i++)
		last = MAX(last, atomic_load(&a->cells[i].last_use));
	return last;
}

/* Supervisor: the proxy is dead, and nothing is under way. */
static inline void activity_forget_proxy(struct activity *a)
{
	for (size_t i = 0; i < ACTIVITY_CELLS; i++)
		atomic_store(&a->cells[i].in_flight, 0);
}
