/* loop.h - one epoll loop for each thread: watched descriptors, timers, work posted by other
 * threads.
 *
 * Descriptors are registered once, edge-triggered: a callback reads or writes until EAGAIN (or
 * remembers that it did not).  Nothing is freed inside its own callback: loop_defer_free frees at
 * the end of the turn, and events of this turn for a watch that was closed are not delivered.  A
 * loop with nothing to do makes no system call. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"
#include "base/list.h"
#include "base/magic.h"

struct loop;
struct watch;
struct timer;

#define LOOP_READ  1u /* readable, or the peer closed its side */
#define LOOP_WRITE 2u
#define LOOP_HUP   4u /* both directions are shut, or an error is pending */
#define LOOP_EOF   8u /* the peer will send no more than what waits to be read */

typedef void watch_fn(struct watch *w, unsigned events);
typedef void timer_fn(struct timer *t);
typedef void loop_fn(void *arg);

enum { WATCH_MAGIC = MAGIC('w', 'a', 't', 'c') };

/* A descriptor under watch; embed it and find the owner by container_of.  The owner keeps the
 * descriptor. */
struct watch {
	struct loop *loop;
	watch_fn *on_event;
	int fd;		/* -1 when not registered */
	uint32_t magic; /* from watch_open on; an event for anything else ends the process */
};

/* Embed; zero is a timer that is not set. */
struct timer {
	struct loop *loop;
	timer_fn *on_time;
	msec at;  /* when it fires */
	msec key; /* its place in the heap: `at`, or an earlier moment (moving it later is free) */
	uint32_t slot; /* index in the heap + 1; 0 = not set */
};

/* NULL with errno: no descriptor was free. */
struct loop *loop_new(void);
/* Everything registered must have been closed.  Deferred work is done first, so that what was to be
 * freed is freed. */
void loop_free(struct loop *l);
/* Turns until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* The moment at which this turn began (monotonic), read once a turn. */
msec loop_now(const struct loop *l);
/* The same in microseconds. */
uint64_t loop_usec(const struct loop *l);
/* The same, read afresh: for measuring inside a turn. */
msec clock_now(void);
/* Microseconds of the monotonic clock, read afresh. */
uint64_t clock_usec(void);

/* Registers fd for reading and writing.  0 or -errno. */
int watch_open(struct watch *w, struct loop *l, int fd, watch_fn *on_event) MUST_USE;
/* For reading only (listeners, signals, pipes): level-triggered. */
int watch_open_read(struct watch *w, struct loop *l, int fd, watch_fn *on_event) MUST_USE;
/* Unregisters; the caller closes the descriptor afterwards.  May be repeated. */
void watch_close(struct watch *w);
/* Closes the descriptor, which has no duplicate, not even in a child that is being started: with
 * its last copy the kernel forgets the watch, which need not be removed first.  May be repeated. */
void watch_close_fd(struct watch *w);

/* Sets or moves the timer; it fires once, at the first turn not before `at`; set from inside a
 * timer's callback, in a later turn.  One that is late because we were suspended fires after the
 * events that came meanwhile. */
void timer_set(struct timer *t, struct loop *l, msec at, timer_fn *on_time);
void timer_cancel(struct timer *t);
static inline bool timer_is_set(const struct timer *t)
{
	return t->slot != 0;
}

/* Calls fn(arg) at the end of this turn, in order; for frees and for callbacks that must not come
 * from inside a call. */
void loop_defer(struct loop *l, loop_fn *fn, void *arg);
/* free(ptr) at the end of this turn. */
void loop_defer_free(struct loop *l, void *ptr);
/* Calls fn(arg) in the loop's own thread.  The only function here that any thread may call. */
void loop_post(struct loop *l, loop_fn *fn, void *arg);
/* Calls fn(arg) at the end of each turn in which something happened (one such function for each
 * loop). */
void loop_on_turn(struct loop *l, loop_fn *fn, void *arg);
