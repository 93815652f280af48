/* base.h - the few macros and types that every file may use. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a failed assertion calls (base/crash.c) is cold: the compiler then lays out its call, and
 * the arguments, apart from the code that runs. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier, readability-redundant-declaration) */
extern void __assert_fail(const char *expression, const char *file, unsigned line,
	const char *function) __attribute__((noreturn, cold));

#define MUST_USE	 __attribute__((warn_unused_result))
#define PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define NORETURN	 __attribute__((noreturn))
#define NITEMS(array)	 (sizeof(array) / sizeof((array)[0]))
#define likely(x)	 __builtin_expect(!!(x), 1)

/* The struct of `type` whose member `member` is at `ptr`. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Milliseconds: a length of time, or a moment of the monotonic clock. */
typedef uint64_t msec;
#define MSEC_NEVER UINT64_MAX
/* The moment at which a limit of the configuration ends; 0 there means that there is no limit. */
static inline msec msec_limit(msec now, msec limit)
{
	return limit ? now + limit : MSEC_NEVER;
}

/* What every incremental parser returns: done, feed me more, or refused (the status is an
 * output). */
enum parse { PARSE_OK, PARSE_MORE, PARSE_BAD };
