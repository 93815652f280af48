/* roster_watch.h - the roster while everything runs: read at the start, and again when somebody
 * says that it has changed, when a request names what nobody has, and once a minute while requests
 * come.  What is new is taken over like a reload.
 *
 * A look is one conditional read, and there is one a second at most.  While the store is silent the
 * last roster known here serves.  A roster that does not fit the configuration changes nothing. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"

struct roster_watch;
struct supervisor;

/* What all changes come to, as config_source.roster has it. */
struct roster_text {
	unsigned refs; /* of the loop's thread */
	uint64_t version;
	struct buf text;
};
struct roster_text *roster_text_ref(struct roster_text *t);
void roster_text_unref(struct roster_text *t); /* NULL is fine */

/* Before anything is served: reads what was kept here and what the store has, for some seconds at
 * most, and replaces the supervisor's configuration.  Without a place for a roster there is nothing
 * to do.  -EINVAL and *ret_reason (malloc'd) if what is there does not fit, or nobody knows what
 * was there. */
int roster_watch_open(struct supervisor *s, char **ret_reason) MUST_USE;
/* No look begins any more; one that is under way gives up. */
void roster_watch_stop(struct supervisor *s);
/* A thread of it still runs. */
bool roster_watch_is_busy(const struct supervisor *s);
void roster_watch_free(struct roster_watch *w);

/* The newest that is known, for a reload; one reference, or NULL. */
struct roster_text *roster_watch_text(const struct supervisor *s);
/* The configuration with it (NULL: without any) is in force now. */
void roster_watch_in_force(struct supervisor *s, const struct roster_text *t);
/* For status; ret->place is empty if there is no roster. */
void roster_watch_show(const struct supervisor *s, struct control_roster *ret);

/* As in control_ops. */
void roster_watch_write(struct supervisor *s, const struct control_roster_request *q,
	control_wrote_fn *done, void *arg);
void roster_watch_history(
	struct supervisor *s, uint64_t version, size_t n, control_record_fn *each, void *arg);

/* Requests of the proxy wait for a look that begins from now on; it is told this number then. */
void roster_watch_asked(struct supervisor *s, uint64_t number);
/* Others write it too, who may not be able to tell us. */
bool roster_watch_is_shared(const struct supervisor *s);
/* The proxy has ended: none waits. */
void roster_watch_forget_proxy(struct supervisor *s);
/* A request has come. */
void roster_watch_busy(struct supervisor *s);
/* Somebody says that this version has been written; 0: it is not known which.  done may be NULL,
 * and is called once, not from inside. */
void roster_watch_told(struct supervisor *s, uint64_t version, control_roster_fn *done, void *arg);
