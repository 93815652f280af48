/* str.h - a string is a pointer and a length; it owns nothing and need not end in NUL.  A zero one
 * is empty. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <string.h>

#include "base/base.h"

typedef struct str {
	const char *p;
	size_t n;
} str;

#define STR(literal) ((str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)                                                                          \
	{                                                                                          \
		"" literal, sizeof(literal) - 1                                                    \
	}
#define STR_EMPTY  ((str){"", 0})
#define STR_FMT	   "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

static inline str str_of(const char *cstring)
{
	return (str){cstring, strlen(cstring)};
}

static inline bool str_eq(str a, str b)
{
	return a.n == b.n && (!a.n || memcmp(a.p, b.p, a.n) == 0);
}

static inline char char_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool str_starts(str s, str prefix)
{
	return s.n >= prefix.n && (!prefix.n || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(str s, str suffix)
{
	return s.n >= suffix.n &&
	       (!suffix.n || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* Bytes [from, to) of s; both are clamped to its length. */
static inline str str_slice(str s, size_t from, size_t to)
{
	to = MIN(to, s.n);
	from = MIN(from, to);
	return (str){
		from ? s.p + from : s.p, to - from}; /* an empty one need not have an address */
}

/* The same, ASCII letters compared without case. */
bool str_eq_nocase(str a, str b);
bool str_starts_nocase(str s, str prefix);
/* <0, 0, >0 like memcmp; a prefix sorts before anything longer. */
int str_cmp(str a, str b);
/* Offset of the first c, or -1. */
ssize_t str_find_char(str s, char c);
/* Offset of the first `needle`, or -1. */
ssize_t str_find(str s, str needle);
/* Without spaces and tabs at both ends. */
str str_trim(str s);
/* Takes the part of *rest before the first `sep` (all of it when there is none) and moves *rest
 * past it. False once *rest is used up; an empty *rest gives no part. */
bool str_split(str *rest, char sep, str *ret_part);
/* A new NUL-ended copy; free() it. */
char *str_dup(str s) MUST_USE;
/* True if `token` is an element of a comma-separated list, without case (RFC 9110 5.6.1). */
bool str_list_has(str list, str token);
