/* roster_int.h - what the commands about the roster share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "command/command_int.h"
#include "command/roster_desk.h"

#define ROSTER_WRITE_LIMIT 30000u /* msec */

/* Who changes it: a new text. */
char *roster_writer(void) MUST_USE;
struct config_source roster_source(const struct options *o);
/* Reports that there is no place.  Returns the exit code. */
int roster_tell_no_place(const struct roster_desk *d);
/* Lines from outside, on standard output. */
void roster_print(str text);
/* What came of a change, for programs. */
void roster_print_json(uint64_t version, str text, bool is_dry);
/* Prints what came of a change, or why nothing did.  Returns the exit code. */
int roster_tell_outcome(const struct options *o, const struct roster_desk *d, int r,
	const struct roster_outcome *outcome, const struct why *why);

/* roster_ask.c: the fly-atc that runs here does it, which has what we lack.  `target` is below
 * /v1/roster/.  The exit code; -ENOENT: none runs, and nothing was said. */
int roster_ask(const struct options *o, const char *target, str body);
/* Tells it that there is something new, and whether it is in force. */
int roster_tell_running(const struct options *o, uint64_t version);
