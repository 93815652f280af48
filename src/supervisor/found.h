/* found.h - the machines that the target knows, and the configuration need not name.
 *
 * A user who lives in a region lives on one machine of it, always the same; which, follows from the
 * machines that there are.  So they are looked for before the first request is served, when the
 * configuration is read again, when machines were made or removed by us, when one could not be
 * reached, and now and then.  Where others are found than before, the configuration is made anew
 * with them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "loop/loop.h"

struct supervisor;
struct found_set;

/* Others were found than before: the configuration is to be made anew. */
typedef void found_fn(struct supervisor *s);

struct discovery {
	found_fn *on_change;
	struct found_set *set;	/* in force, or about to be; NULL: nothing was found yet */
	struct found_set *next; /* what a look is finding */
	struct timer timer;	/* of the next look */
	msec looked_at;		/* when the last look began; 0: never */
	bool is_looking, is_wanted_again;
	bool is_first; /* it is waited for */
};

/* Before anything of the configuration is used: looks, for a short time.  True: machines were
 * found, and the configuration is to be loaded again, with them. */
bool found_begin(struct supervisor *s) MUST_USE;
/* Looks, in the background; what is found becomes the configuration. */
void found_look(struct supervisor *s);
/* Another configuration is in force. */
void found_configure(struct supervisor *s);
/* No look is begun any more. */
void found_stop(struct supervisor *s);
/* After target_stop. */
void found_done(struct supervisor *s);

/* A reference for a thread that reads the configuration: it is put into the source. NULL is fine.
 */
struct found_set *found_take(const struct supervisor *s);
void found_add_to(const struct found_set *set, struct config_source *source);
void found_release(struct found_set *set);
