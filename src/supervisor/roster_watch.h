/* roster_watch.h - the roster while everything runs: read at the start, and again when somebody
 * says that it has changed, when a request names what nobody has, and once a minute while requests
 * come.  What is new is taken over like a reload.
 *
 * A look is one conditional read, and there is one a second at most.  While the store is silent the
 * last roster known here serves.  A roster that does not fit the configuration changes nothing. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"
#include "supervisor/herald.h"
#include "supervisor/roster_text.h"

struct roster_watch;
struct supervisor;
struct work;

/* What is shared with the other machines, as far as others need to know of it. */
struct roster_state {
	struct roster_watch *watch; /* NULL: there is none */
	struct work *work;	    /* its threads; or NULL */
	struct roster_text *newest; /* for the next reload */
	uint64_t in_force;	    /* the version with which the configuration was read */
	bool is_shared;		    /* others write it too, who may not be able to tell us */
	struct herald herald;
	char *fleet_secret; /* the store's; NULL: none is known, or one is configured.  Set once */
};

/* Before anything is served: reads what was kept here and what the store has, for some seconds at
 * most, and replaces the supervisor's configuration.  Without a place for a roster there is nothing
 * to do.  -EINVAL and *ret_reason (malloc'd) if what is there does not fit, or nobody knows what
 * was there. */
int roster_watch_open(struct supervisor *s, char **ret_reason) MUST_USE;
/* No look begins any more; one that is under way gives up. */
void roster_watch_stop(struct supervisor *s);
void roster_watch_free(struct supervisor *s);

/* For status; ret->place is empty if there is no roster. */
void roster_watch_show(const struct supervisor *s, struct control_roster *ret);

/* As in control_ops. */
void roster_watch_write(struct supervisor *s, const struct control_roster_request *q,
	control_wrote_fn *done, void *arg);
void roster_watch_history(
	struct supervisor *s, uint64_t version, size_t n, control_record_fn *each, void *arg);

/* Requests of the proxy wait for a look that begins from now on; it is told this number then. */
void roster_watch_asked(struct supervisor *s, uint64_t number);
/* The proxy has ended: none waits. */
void roster_watch_forget_proxy(struct supervisor *s);
/* A request has come. */
void roster_watch_busy(struct supervisor *s);
/* A tenant is about to be woken: in a fleet it may live elsewhere by now. */
void roster_watch_wake(struct supervisor *s);
/* Another machine says that this version has been written; 0: it is not known which.  However
 * often it says so, it is one look. */
void roster_watch_told(struct supervisor *s, uint64_t version);
/* The machine has slept: whatever is known of it may be old.  done may be NULL, and is called once,
 * not from inside; likewise of the next. */
void roster_watch_resume(struct supervisor *s, control_roster_fn *done, void *arg);
/* Somebody here says that this version has been written; the other machines are told too, once it
 * is known what there is. */
void roster_watch_spread(
	struct supervisor *s, uint64_t version, control_roster_fn *done, void *arg);
