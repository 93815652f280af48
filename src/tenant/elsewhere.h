/* elsewhere.h - an application that does not listen where it was told to: found, reported, and with
 * `port: auto` used. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"
#include "tenant/listening.h"

struct probe;
struct tenant;
struct tenant_run;

/* words: what can be said about it ("; it listens on X (pid 7), was told Y"), or empty. */
typedef void elsewhere_fn(struct tenant *t, str words);

/* It speaks HTTP at this port, which is not the one that it was told. */
typedef void elsewhere_found_fn(struct tenant *t, unsigned port, bool is_ipv6);

/* For a run, from its start until it is ready or given up.  Zero before that. */
struct elsewhere {
	struct timer timer;	    /* the next look */
	struct probe *probe;	    /* asks the candidate, or NULL */
	struct open_port candidate; /* port 0: there is none */
	msec found_at;		    /* when it was first seen */
	bool is_answered;	    /* it speaks HTTP, */
	bool answers_ipv6;	    /* at ::1 */
	bool is_looking;
	bool is_over;
	elsewhere_fn *to_tell; /* waits for a look, or NULL */
	elsewhere_found_fn *on_found;
};

/* It has been started and is asked at the port that it was told.  on_found is called at most once,
 * with `port: auto`; it must call elsewhere_end. */
void elsewhere_begin(struct tenant *t, elsewhere_found_fn *on_found);
/* It is ready, or the start is cut short; no callbacks come any more.  Repeating it is fine. */
void elsewhere_end(struct tenant_run *run);
/* Looks once more and calls `tell`, unless it is ready or given up before that.  Only while it is
 * asked where it was told to listen. */
void elsewhere_tell(struct tenant *t, elsewhere_fn *tell);
/* Its port belongs to another process: blames that one, EVENT_BROKEN follows. */
void elsewhere_blame_owner(struct tenant *t, unsigned port);
