/* calls.h - requests of the fleet's other machines to this fly-atc itself: below MARKER_CALLS, with
 * a marker that only they can write.
 *
 *   POST /.fly-atc/roster/changed?version=N   this version of the roster has been written
 *
 * Without such a marker these paths are like any others. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* The path was read. */
bool calls_is_one(const struct exchange *x);
enum step calls_answer(struct exchange *x);
