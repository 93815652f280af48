/* str.c - searching and comparing by length, never by NUL. */
/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "base/alloc.h"

static bool bytes_eq_nocase(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && char_lower(a[i]) != char_lower(b[i]))
			return false;
	return true;
}

bool str_eq_nocase(str a, str b)
{
	return a.n == b.n && bytes_eq_nocase(a.p, b.p, a.n);
}

bool str_starts_nocase(str s, str prefix)
{
	return s.n >= prefix.n && bytes_eq_nocase(s.p, prefix.p, prefix.n);
}

int str_cmp(str a, str b)
{
	size_t n = MIN(a.n, b.n);
	int order = n ? memcmp(a.p, b.p, n) : 0;

	if (order)
		return order;
	return a.n < b.n ? -1 : a.n > b.n;
}

ssize_t str_find_char(str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? at - s.p : -1;
}

ssize_t str_find(str s, str needle)
{
	const char *at;

	if (!needle.n)
		return 0;
	at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	assert(!at || (size_t)(at - s.p) + needle.n <= s.n);
	return at ? at - s.p : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

str str_trim(str s)
{
	while (s.n && is_blank(s.p[0]))
		s = (str){s.p + 1, s.n - 1};
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool str_split(str *rest, char sep, str *ret_part)
{
	ssize_t at;

	if (!rest->n)
		return false;
	at = str_find_char(*rest, sep);
	if (at < 0) {
		*ret_part = *rest;
		*rest = (str){rest->p + rest->n, 0};
		return true;
	}
	*ret_part = (str){rest->p, (size_t)at};
	*rest = (str){rest->p + at + 1, rest->n - (size_t)at - 1};
	return true;
}

char *str_dup(str s)
{
	char *copy = xmalloc(s.n + 1);

	assert(s.p || !s.n);
	if (s.n)
		memcpy(copy, s.p, s.n);
	copy[s.n] = 0;
	return copy;
}

bool str_list_has(str list, str token)
{
	str part;

	while (str_split(&list, ',', &part))
		if (str_eq_nocase(str_trim(part), token))
			return true;
	return false;
}
