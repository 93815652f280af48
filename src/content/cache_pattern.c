/* cache_pattern.c - a table of hashes of path patterns, each with the second at which it was
 * learned. */
/* SPDX-License-Identifier: MIT */
#include "content/cache_pattern.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"

#define PLACES 4096u /* a power of two; 32 KB */
/* A word has the upper bits of the pattern's hash, and in the lower ones the second when it was
 * learned. That wraps around after half a year. */
#define TIME_BITS   24
#define TIME_MASK   ((UINT64_C(1) << TIME_BITS) - 1)
#define REFUSED_FOR (5 * 60) /* seconds */

/* Names of one thing among many, as programs make them. */
#define HEX_MIN	  8u
#define TOKEN_MIN 16u

struct cache_patterns {
	_Atomic uint64_t places[PLACES];
};

struct cache_patterns *cache_patterns_new(void)
{
	return xcalloc(1, sizeof(struct cache_patterns));
}

void cache_patterns_free(struct cache_patterns *p)
{
	free(p);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-';
}

/* `s` is a segment up to its first dot. */
static bool is_one_of_many(str s)
{
	size_t digits = 0, hexes = 0;

	for (size_t i = 0; i < s.n; i++) {
		digits += is_digit(s.p[i]);
		hexes += is_hex(s.p[i]);
	}
	if (!digits)
		return false;
	return is_digit(s.p[0]) || (hexes == s.n && s.n >= HEX_MIN) || s.n >= TOKEN_MIN;
}

static void add_segment(struct buf *out, str s)
{
	ssize_t dot = str_find_char(s, '.');
	size_t n = dot < 0 ? s.n : (size_t)dot;

	if (is_one_of_many(str_slice(s, 0, n)))
		buf_add_char(out, '\0'); /* which no path has */
	else
		buf_add(out, str_slice(s, 0, n));
	buf_add(out, str_slice(s, n, s.n));
}

uint64_t cache_pattern_of(uint64_t owner, str path)
{
	bool is_folder = str_ends(path, STR("/"));
	struct buf text = {0};
	uint64_t pattern;
	str segment;

	buf_add(&text, (str){(const char *)&owner, sizeof(owner)});
	while (str_split(&path, '/', &segment)) {
		buf_add_char(&text, '/');
		add_segment(&text, segment);
	}
	if (is_folder)
		buf_add_char(&text, '/');
	pattern = hash_bytes(buf_str(&text));
	buf_done(&text);
	return pattern;
}

/* The upper bits are compared, the lower ones say where. */
static _Atomic uint64_t *place_of_pattern(struct cache_patterns *p, uint64_t pattern)
{
	return &p->places[pattern % PLACES];
}
static_assert(PLACES <= 1u << TIME_BITS, "what is not compared says where");

void cache_pattern_refuse(struct cache_patterns *p, uint64_t pattern, msec now)
{
	uint64_t second = (now / 1000) & TIME_MASK;

	atomic_store_explicit(place_of_pattern(p, pattern), (pattern & ~TIME_MASK) | second,
		memory_order_relaxed);
}

static bool is_same(uint64_t word, uint64_t pattern)
{
	return word && !((word ^ pattern) & ~TIME_MASK);
}

void cache_pattern_allow(struct cache_patterns *p, uint64_t pattern)
{
	_Atomic uint64_t *place = place_of_pattern(p, pattern);
	uint64_t word = atomic_load_explicit(place, memory_order_relaxed);

	if (is_same(word, pattern))
		atomic_store_explicit(place, 0, memory_order_relaxed);
}

bool cache_pattern_is_refused(const struct cache_patterns *p, uint64_t pattern, msec now)
{
	uint64_t word = atomic_load_explicit(&p->places[pattern % PLACES], memory_order_relaxed);

	return is_same(word, pattern) && ((now / 1000 - word) & TIME_MASK) < REFUSED_FOR;
}
