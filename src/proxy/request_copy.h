/* request_copy.h - a request's head, kept when the bytes that it came in are gone. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "http/head.h"

/* All of it lives in the arena; its field lines still stand one behind the other. */
struct request_head *request_copy(struct arena *a, const struct request_head *head) MUST_USE;
