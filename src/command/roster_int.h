/* roster_int.h - what the commands about the roster share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "command/command_int.h"
#include "command/roster_desk.h"

#define ROSTER_WRITE_LIMIT 30000u /* msec */

/* Who changes it: a new text. */
char *roster_writer(void) MUST_USE;
struct config_source roster_source(const struct options *o);
/* False has been reported. */
bool roster_has_place(const struct roster_desk *d);
/* Prints what came of a change, or why nothing did.  Returns the exit code. */
int roster_tell_outcome(const struct options *o, const struct roster_desk *d, int r,
	const struct roster_outcome *outcome, const struct why *why);
