/* roster_watch_int.h - what the files of the roster share: what is known of it, and what is done to
 * it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/magic.h"
#include "roster/roster.h"
#include "supervisor/roster_watch.h"

#define NO_ROSTER                                                                                  \
	"this fly-atc has no roster: it serves a single application, or has no configuration file"

struct edit;

enum { ROSTER_WATCH_MAGIC = MAGIC('r', 'o', 's', 'w') };

/* One who wants to know how it ends. */
struct awaiting {
	struct list link;
	control_roster_fn *done;
	void *arg;
	int err;
	uint64_t version;
	char *reason;
	bool is_covered; /* by the look that is under way */
	bool is_spread;	 /* the other machines are to be told */
};

struct roster_watch {
	uint32_t magic;
	struct supervisor *sup;
	struct config *conf; /* of the place, which borrows it; one reference */
	struct roster_place *place;
	struct roster *roster; /* a thread's while is_busy */
	int64_t read_at; /* seconds since 1970: when the store was last known to have no more; 0:
			    never */
	int64_t kept_at;
	struct why why;	   /* of the last look that failed; empty: none did since */
	struct why misfit; /* why the newest is not in force; or empty */
	struct edit *edit; /* the one that the look under way has made; or NULL */
	bool is_busy;	   /* from the beginning of a look to its end */
	bool is_wanted;	   /* another one */
	bool is_silent;
	msec began;		 /* the last look */
	struct timer next;	 /* the next one, when it is wanted too early */
	uint64_t asked, covered; /* by the proxy; by the look under way; 0: none */
	struct list waiting;	 /* awaiting */
	struct list edits;	 /* that nobody has begun */
};

/* What a thread does; the roster is its own meanwhile. */
struct roster_look {
	struct roster_watch *watch;
	struct roster *roster;
	struct config *conf;
	msec until;
	uint64_t known; /* the version that needs no text */
	int result;
	struct why why;
	struct roster_text *text; /* NULL: nothing new */
	struct edit *edit;	  /* or NULL: it is read only */
	bool wants_secret;	  /* of the fleet: */
	char *secret;
};

/* roster_watch.c */
/* A look, as soon as that may be. */
void roster_watch_want(struct roster_watch *w);
/* roster_edit.c */
/* By a thread: writes what is asked for, and so reads what there is.  0, or -EIO. */
int edit_run(struct roster_look *l);
/* All is known; it is freed.  not_yet: why what was written is not in force; or empty. */
void edit_end(struct roster_watch *w, struct edit *take_e, const char *not_yet);
/* The first one that waits, or NULL. */
struct edit *edit_next(struct roster_watch *w);
/* None of those that wait will begin. */
void edit_refuse_all(struct roster_watch *w, int err, const char *reason);
