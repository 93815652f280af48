/* moment.h - points in time as they are shown. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/json.h"

/* Milliseconds since 1970, by the wall clock. */
uint64_t moment_now(void);
/* "2026-01-31T12:00:00.042Z". */
void moment_add(struct json *j, const char *key, uint64_t moment);
