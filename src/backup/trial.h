/* trial.h - does this Litestream keep what is committed?  A version is a claim, a trial is
 * proof. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/why.h"
#include "base/buf.h"

/* Replicates a small database in a directory of its own while SQLite restarts its WAL several
 * times, restores it, and compares every row.  Blocks for a second or two, and runs a loop
 * meanwhile: for a process of its own.
 *
 * place: the directory, which must not be there yet and is removed; NULL: in $TMPDIR.  A program
 * that has passed is remembered by the hash of its file, and not tried again: in the directory
 * memory (NULL: none) and in $XDG_CACHE_HOME/fly-atc.  0; -EUCLEAN (it loses commits), -EIO (it
 * could not be tried), and why. */
int trial_run(
	const char *program, const char *place, const char *memory, struct why *ret_why) MUST_USE;
/* This very file, with this inode and these times, is remembered.  Reads only directories. */
bool trial_has_passed(const char *program, const char *memory);

/* The words for a result below 0. */
void trial_explain(const char *program, const char *version, int result, const struct why *why,
	struct buf *out);

/* {"…", TRIAL_FLAG, program, place or "", memory or ""}: a process that tries a program.  It says
 * why on stdout; its exit status is one of these, or another one if it could not try. */
#define TRIAL_FLAG "--trial"
enum { TRIAL_PASSED = 0, TRIAL_LOSES = 2 };
int trial_main(char **argv);
