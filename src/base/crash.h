/* crash.h - what a process writes down when it dies by its own fault: a failed assertion (also one
 * of a library), abort(), or a fatal signal.
 *
 * The record is in memory that another process shares and reads afterwards; there are no core
 * files, since the memory of this program is hidden from other processes of its user.  All that
 * happens after the fault is safe in a signal handler (POSIX.1-2017 2.4.3): no memory is taken. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/str.h"

#define CRASH_FRAMES 16

/* Texts end in NUL if the process that wrote them can be trusted: crash_text does not rely on
 * it. */
struct crash_record {
	_Atomic uint32_t is_written; /* 1; the last thing to be written but `id` and `frames` */
	int32_t signal;
	uint32_t line; /* of the assertion that failed; 0: there was none */
	char file[48], function[48], expression[160];
	char thread[16]; /* its name */
	char step[24];	 /* of the work that it was doing */
	char id[128];	 /* of that work */
	char version[32];
	/* Return addresses in the program, newest first, from its start (for addr2line -e); 0:
	 * none. */
	uint64_t frames[CRASH_FRAMES];
};

/* From now on a fault of this process is written to `where`, which stays.  NULL: nobody would read
 * it, so it is a line on standard error, as a failed assertion is without this call. */
void crash_watch(struct crash_record *where, const char *version);
/* Names this thread (at most 15 bytes) and gives it a stack for its end: an overflowed one has no
 * room left.  NULL leaves the name as it is. */
void crash_watch_thread(const char *name);

/* What this thread is working at; NULL: nothing that has a name. */
extern _Thread_local const void *crash_work;
/* Gives the step of such work, as a text that stays, and its name.  Called while the process
 * dies. */
typedef const char *crash_describe_fn(const void *work, str *ret_id);
void crash_describe_work(crash_describe_fn *describe);

/* "proxy/hold.c:93: x->is_held (hold_leave), thread worker 2, request 4f at hold, version 1.0, at
 * 0x1f00 0x2e10": in one line, of printable ASCII, NUL-ended, cut at `size` (at least 1). */
#define CRASH_TEXT_MAX 1024
void crash_text(const struct crash_record *record, char *out, size_t size);
