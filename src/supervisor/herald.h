/* herald.h - tells the other machines of the fleet that the roster has changed: each once, and no
 * more than that.  None is woken for it; who does not hear it finds out by itself
 * (roster_watch.h). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"

struct supervisor;

struct herald {
	struct list calls; /* under way */
};

void herald_init(struct herald *h);
/* There is this version.  Nothing is said without a key by which the others know us. */
void herald_tell(struct supervisor *s, uint64_t version);
/* What is under way is given up.  After target_stop. */
void herald_done(struct herald *h);
