/* magic.h - a word in an object that says what it is as long as it lives.
 *
 * It is written when the object is made, compared where the object is handed in (a callback's
 * argument, a function of another file), and cleared at the end: in every build an assertion that
 * names the object (base/crash.h) catches what was freed, what is not ready yet, and what is
 * something else. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

/* Four letters, in memory in this order.  For an enumerator: enum { FLOW_MAGIC = MAGIC('f', …) };
 * an assertion then prints its name. */
#define MAGIC(a, b, c, d) ((a) | (b) << 8 | (c) << 16 | (d) << 24)

/* The object has a member `uint32_t magic`. */
#define MAGIC_BEGIN(x, m) ((void)((x)->magic = (m)))
#define MAGIC_CHECK(x, m) assert((x)->magic == (m))
/* The compiler would leave out a store just before free(). */
#define MAGIC_END(x, m)                                                                            \
	do {                                                                                       \
		assert((x)->magic == (m));                                                         \
		*(volatile uint32_t *)&(x)->magic = 0;                                             \
	} while (0)
