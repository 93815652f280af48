/* resume.h - this machine has slept, and goes on: what must not be believed any more. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

struct supervisor;

/* Looks for the signs of a sleep, where there is a fleet or the machine is to sleep. */
void resume_watch(struct supervisor *s);
/* The edge's clock is so far ahead of ours (0: no word of it); true if that says that we have
 * slept, and something is done about it. */
bool resume_is_told(struct supervisor *s, msec ahead);
/* We have slept.  Requests for tenants wait until what has to be done is done; then sleep_awake is
 * called. */
void resume_begin(struct supervisor *s, const char *how, msec length);
