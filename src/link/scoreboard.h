/* scoreboard.h - shared memory in which supervisor and proxy see each tenant: one slot of two cache
 * lines.
 *
 * The race between a request and a stop is decided here (sequentially consistent): the proxy adds
 * itself to in_flight and then reads the state; the supervisor writes DRAINING and then reads
 * in_flight; the one that sees the other backs off.  The memory belongs to the supervisor and
 * survives a crash of the proxy, whose last words are in it, too. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/crash.h"
#include "life/state.h"
#include "link/activity.h"

/* Twice the maximum number of tenants, so that a reload may replace all of them: the slot of a
 * removed tenant is not reused at once (supervisor/places.h). */
#define SCOREBOARD_TENANTS 131072u
#define SCOREBOARD_SLOTS   (2 * SCOREBOARD_TENANTS)

struct slot {
	/* written by the supervisor */
	_Atomic uint32_t state;	     /* enum tenant_state */
	_Atomic uint32_t generation; /* of the running copy: changes with each start */
	_Atomic uint32_t
		port; /* where it listens on 127.0.0.1; 0 = its unix socket (slot_socket_path) */
	_Atomic uint32_t is_ipv6;  /* not on 127.0.0.1 but on ::1 */
	_Atomic uint64_t since;	   /* monotonic msec of the last change of state */
	_Atomic uint64_t retry_at; /* in FAILED: monotonic msec of the next try */
	_Atomic uint64_t owner; /* tenant_conf.owner of the tenant in the configuration; 0: none */
	/* Written by the proxy, but seldom: its open connections to the tenant, of all copies; and
	 * what it has learned about the tenant. */
	_Atomic uint32_t connections;
	/* Until when the running copy is at work, as it says in its answers: monotonic msec, or 0.
	 * The supervisor sets it to 0 for each copy. */
	_Atomic uint64_t busy_until;
	_Atomic uint64_t hidden_names; /* that it serves (proxy/no_wake.h) */
	/* written by the proxy */
	_Alignas(64) _Atomic uint32_t in_flight; /* requests and upgrades under way */
	_Atomic uint32_t upgrades;		 /* of these: upgraded connections */
	_Atomic uint64_t last_activity;		 /* monotonic msec of the last byte moved */
	_Atomic uint64_t requests;		 /* since the supervisor began */
	_Atomic uint32_t held;			 /* requests that wait for it now */
	_Atomic uint32_t timeouts;     /* requests in a row that it did not answer in time */
	_Atomic uint64_t cache_hits;   /* answers from the cache, as of `requests` */
	_Atomic uint64_t cache_misses; /* answers for which the cache was asked in vain */
	_Atomic uint64_t cache_bytes, cache_entries; /* what it has there now */
};

struct scoreboard {
	int fd; /* sealed against resizing; inherited by the proxy */
	struct slot *slots;
	struct activity *activity;  /* of the machine as a whole */
	struct crash_record *crash; /* written by the proxy when it dies by its own fault */
};

/* 0 or -errno. */
int scoreboard_new(struct scoreboard *ret) MUST_USE;
int scoreboard_map(int fd, struct scoreboard *ret) MUST_USE;
void scoreboard_done(struct scoreboard *s);
/* Sets the proxy's side of every slot below n to nothing under way: after a crash of the proxy. */
void scoreboard_forget_proxy(struct scoreboard *s, uint32_t n);

/* Supervisor: it becomes another tenant's, which has done nothing yet.  Nothing may be under way in
 * it; what a thread of the proxy adds and takes back in passing stays. */
void slot_give(struct slot *s, uint64_t owner);
/* Supervisor: the tenant is no longer in the configuration.  What is under way goes on. */
static inline void slot_disown(struct slot *s)
{
	atomic_store(&s->owner, 0);
}

/* Supervisor: it is back before the slot was reused. */
static inline void slot_own(struct slot *s, uint64_t owner)
{
	atomic_store(&s->owner, owner);
}

/* A thread of the proxy may still route by a configuration in which the slot is another
 * tenant's. */
static inline bool slot_is_of(const struct slot *s, uint64_t owner)
{
	return atomic_load(&s->owner) == owner;
}

/* The state of this tenant: ABSENT if the slot is not its own.  A new owner is written before its
 * first state, so a reader that sees the state sees the owner, too. */
static inline enum tenant_state slot_state(const struct slot *s, uint64_t owner)
{
	enum tenant_state state = (enum tenant_state)atomic_load(&s->state);

	return slot_is_of(s, owner) ? state : TENANT_ABSENT;
}

/* Proxy: true if the tenant runs and may now be used; give it back with slot_leave.  False: hold
 * the request, if the slot is its own. */
static inline bool slot_enter(struct slot *s, uint64_t owner)
{
	atomic_fetch_add(&s->in_flight, 1);
	if (state_serves(slot_state(s, owner)))
		return true;
	atomic_fetch_sub(&s->in_flight, 1);
	return false;
}

static inline void slot_leave(struct slot *s)
{
	atomic_fetch_sub(&s->in_flight, 1);
}

/* Supervisor, after writing DRAINING or a later state: connections to the tenant are open that have
 * no request under way, or only an upgraded one. */
static inline bool slot_has_unused_connections(const struct slot *s)
{
	uint32_t connections = atomic_load(&s->connections), upgrades = atomic_load(&s->upgrades),
		 in_flight = atomic_load(&s->in_flight);

	return connections > (in_flight > upgrades ? in_flight - upgrades : 0);
}

/* Proxy: the running copy says in an answer, whose request is counted in, that it is at work until
 * then; this never shortens what it said before.  0 does. */
static inline void slot_say_busy(struct slot *s, msec until)
{
	uint64_t before = atomic_load(&s->busy_until);

	while ((!until || before < until) &&
		!atomic_compare_exchange_weak(&s->busy_until, &before, until))
		;
}

/* Supervisor: RUNNING becomes DRAINING unless a request is under way, or the last one has said that
 * the tenant works on.  True if it did. */
static inline bool slot_try_drain(struct slot *s, msec now)
{
	atomic_store(&s->state, TENANT_DRAINING);
	if (atomic_load(&s->in_flight) == 0 && atomic_load(&s->busy_until) <= now)
		return true;
	atomic_store(&s->state, TENANT_RUNNING);
	return false;
}

/* "<run_dir>/tenant-<slot>.sock": where a tenant with `listen: unix` listens. */
void slot_socket_path(str run_dir, uint32_t slot, char *out, size_t size);
