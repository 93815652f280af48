/* roll.h - the restart of all tenants that are awake, one after the other: `restart --all`.
 *
 * It marks them (replace.h) and reports to the operator what becomes of each.  There is one roll: a
 * second operator who asks meanwhile adds those that are awake now, and hears of all.  When a
 * tenant fails, the others that still run the former code keep it, unless the last operator said to
 * go on.  It goes on when nobody listens any more. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "control/control.h"

struct tenants;
struct tenant;

struct rolling {
	struct list listeners;
	size_t members; /* tenants whose end is awaited */
	bool keeps_going;
};

void rolling_init(struct rolling *r);
/* As control_ops.restart_all. */
const char *roll_start(
	struct tenants *all, const struct control_roll *how, control_rolled_fn *each, void *arg);
/* After each step of a tenant. */
void roll_check(struct tenant *t);
/* It cannot be replaced yet. */
void roll_on_waiting(struct tenant *t);
/* It is being removed. */
void roll_forget(struct tenant *t);
/* fly-atc ends: so does the roll. */
void roll_give_up(struct tenants *all);
