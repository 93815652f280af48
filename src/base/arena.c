/* arena.c - blocks of usual size are kept for reuse, large ones are not. */
/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define ALIGNMENT 16

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(ALIGNMENT) char bytes[];
};

#define USUAL_SIZE (2048 - sizeof(struct arena_block))

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* For at least `size` bytes; what is left of the one before is wasted. */
static void add_block(struct arena *a, size_t size)
{
	struct arena_block *block;

	assert(size <= SIZE_MAX / 2 && a->at <= a->end);
	size = aligned(MAX(size, USUAL_SIZE));
	block = xmalloc(sizeof(*block) + size);
	assert((uintptr_t)block->bytes % ALIGNMENT == 0);
	block->next = a->blocks;
	block->size = size;
	a->blocks = block;
	a->at = block->bytes;
	a->end = block->bytes + size;
}

void *arena_alloc(struct arena *a, size_t size)
{
	char *p;

	size = MAX(size, (size_t)1);
	/* What is left is a multiple of the alignment, so that what fits does so rounded, too. */
	if (size > (size_t)(a->end - a->at))
		add_block(a, size);
	p = a->at;
	a->at += aligned(size);
	return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

str arena_dup(struct arena *a, str s)
{
	char *copy = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(copy, s.p, s.n);
	copy[s.n] = 0;
	return (str){copy, s.n};
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *out;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	assert(n >= 0);
	out = arena_alloc(a, (size_t)n + 1);
	n -= vsnprintf(out, (size_t)n + 1, fmt, again);
	assert(!n); /* twice the same */
	va_end(again);
	va_end(ap);
	return out;
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	*a = (struct arena){0};
}

/* The newest block of usual size, taken off the list, or NULL. */
static struct arena_block *take_usual(struct arena *a)
{
	for (struct arena_block **at = &a->blocks; *at; at = &(*at)->next) {
		struct arena_block *block = *at;

		if (block->size == USUAL_SIZE) {
			*at = block->next;
			return block;
		}
	}
	return NULL;
}

/* A block of unusual size is not kept: one large request would hold its memory forever. */
void arena_reset(struct arena *a)
{
	struct arena_block *kept = take_usual(a);

	arena_done(a);
	if (!kept)
		return;
	assert(kept->size == USUAL_SIZE && !a->blocks);
	kept->next = NULL;
	a->blocks = kept;
	a->at = kept->bytes;
	a->end = kept->bytes + kept->size;
}
