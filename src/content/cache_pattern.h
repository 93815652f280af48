/* cache_pattern.h - remembers, by pattern, paths whose answers are not stored: what holds for
 * /items/1 is assumed of /items/2.
 *
 * Two paths have one pattern if they differ only in segments that look like the name of one thing
 * among many: that begin with a digit, or are hexadecimal and long, or long with digits in them.
 * What comes after a dot belongs to the pattern: /items/1.json is not /items/1.html.  The query
 * does not. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"
#include "loop/loop.h"

/* A table of fixed size: a new entry overwrites another one with the same place, which will be
 * learned again. */
struct cache_patterns;
struct cache_patterns *cache_patterns_new(void) MUST_USE;
/* For tests: the proxy keeps them to its end. */
void cache_patterns_free(struct cache_patterns *p);

/* The pattern of a tenant's path; tenants are told apart by their owner number. */
uint64_t cache_pattern_of(uint64_t owner, str path);

/* From any thread, without a lock.  An answer was not stored, or was; the last one counts, for five
 * minutes. */
void cache_pattern_refuse(struct cache_patterns *p, uint64_t pattern, msec now);
void cache_pattern_allow(struct cache_patterns *p, uint64_t pattern);
bool cache_pattern_is_refused(const struct cache_patterns *p, uint64_t pattern, msec now);
