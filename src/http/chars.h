/* chars.h - the classes of characters in HTTP's grammar, and the search for one of them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/base.h"

enum {
	CHAR_TOKEN = 1,	     /* RFC 9110 5.6.2 */
	CHAR_UNRESERVED = 2, /* RFC 3986 2.3; also what we allow in a host's name */
	CHAR_PATH = 4,	     /* visible ASCII but '?' and '#' */
	CHAR_PLAIN = 8,	     /* of these, what a path in normal form may hold anywhere */
	CHAR_CONTROL = 16,   /* never inside a line: controls but HTAB, and DEL */
	CHAR_HEX = 32,
	CHAR_DIGIT = 64,
};
extern const uint8_t char_classes[256];

static inline bool char_is(char c, unsigned classes)
{
	return char_classes[(uint8_t)c] & classes;
}

static inline bool char_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The first CHAR_CONTROL of [p, end), or end. */
static inline const char *find_control(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i last_control = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t');
	const __m128i del = _mm_set1_epi8(0x7f);

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v);
		__m128i found = _mm_or_si128(
			_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low), _mm_cmpeq_epi8(v, del));
		unsigned mask = (unsigned)_mm_movemask_epi8(found);

		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && !char_is(*p, CHAR_CONTROL))
		p++;
	return p;
}

/* The first `c` of [p, end), or end.  For distances so short that a call of memchr would show. */
static inline const char *find_near(const char *p, const char *end, char c)
{
#ifdef __SSE2__
	const __m128i wanted = _mm_set1_epi8(c);

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, wanted));

		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && *p != c)
		p++;
	return p;
}
