/* alloc.h - allocation that cannot fail: when memory runs out the process dies and is started
 * again. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

/* As malloc, calloc, realloc and strdup, but never NULL.  Release with free(). */
void *xmalloc(size_t size) MUST_USE;
void *xcalloc(size_t count, size_t size) MUST_USE;
void *xrealloc(void *old, size_t size) MUST_USE;
char *xstrdup(const char *s) MUST_USE;
/* printf into a new string. */
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) MUST_USE;
/* A NULL-ended list, and its strings. */
void strings_free(char **strings);

/* Closes *fd unless it is negative, and sets it to -1.  For CLEAN_FD. */
void close_fd(int *fd);
/* By the C library, which uses vectors: for a length that it knows, the compiler would make a
 * slower loop. */
void memory_clear(void *p, size_t n);
void free_ptr(void *ptr_to_ptr);
#define CLEAN_FD   __attribute__((cleanup(close_fd)))
#define CLEAN_FREE __attribute__((cleanup(free_ptr)))
