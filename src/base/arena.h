/* arena.h - memory that is allocated piece by piece and freed all at once. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct arena_block;

/* Zero is an empty arena.  Allocations are aligned to 16 bytes and never fail. */
struct arena {
	struct arena_block *blocks;
	char *at, *end;
};

void *arena_alloc(struct arena *a, size_t size) MUST_USE;
void *arena_zalloc(struct arena *a, size_t size) MUST_USE;
/* A copy that lives as long as the arena, NUL-ended for convenience (the NUL is not counted). */
str arena_dup(struct arena *a, str s) MUST_USE;
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) MUST_USE;
/* Frees everything; the arena is empty and usable again. */
void arena_done(struct arena *a);
/* Like arena_done, but keeps one block of the usual size (if there is one) for the next user. */
void arena_reset(struct arena *a);
