/* admission.h - which tenants may start now: first come, first served, within the limits of
 * server:. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "loop/loop.h"

struct custody;
struct tenants;
struct tenant;

struct admission {
	struct list queue;	 /* tenants that wait */
	struct timer timer;	 /* looks again */
	size_t starting;	 /* tenants on their way up */
	size_t awake;		 /* admitted and not yet at rest */
	struct custody *custody; /* borrowed; NULL: all databases are ours */
	struct list wanted;	 /* by another fly-atc: handover.c */
};

void admission_init(struct admission *a, struct custody *custody);
/* The tenant waits until its databases are ours (custody.h), and then for its turn; EVENT_ADMITTED
 * follows, at once if there is room. */
void admission_enqueue(struct tenant *t);
/* It waits for nothing any more, without having left: admission_enqueue again. */
void admission_yield(struct tenant *t);
/* It no longer waits, or has started. */
void admission_leave(struct tenant *t);
/* It rests. */
void admission_rest(struct tenant *t);
/* How many may be on their way up at once. */
size_t admission_max_starting(const struct tenants *all);
/* No tenant may start until another one rests. */
bool admission_lacks_room(const struct tenants *all);
void admission_done(struct admission *a);
