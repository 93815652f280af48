/* trial.h - does this Litestream keep what is committed? A version is believed, a trial is seen. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/why.h"

/* Replicates a small database in a directory of its own while SQLite begins its WAL anew several
 * times, restores it, and compares every row.  Blocks for a second or two, and runs a loop
 * meanwhile: for the command line.  A program that has passed is remembered by the hash of its file
 * in $XDG_CACHE_HOME/fly-atc, and not tried again.  0; -EUCLEAN (it loses commits), -EIO (it could
 * not be tried), and why. */
int trial_run(const char *program, struct why *ret_why) MUST_USE;
