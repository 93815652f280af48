/* members.c - the members of an object, one after the other: a tree of a large state would take ten
 * times its memory, and as long again to be freed.
 *
 * Only where one ends is found here, in JSON as we write it (no blanks, plain names); what it is,
 * Jansson says. */
/* SPDX-License-Identifier: MIT */
#include "roster/roster_int.h"

/* Behind the string that begins at `at`; 0: it does not end. */
static size_t skip_string(str s, size_t at)
{
	for (at++; at < s.n; at++) {
		if (s.p[at] == '\\')
			at++;
		else if (s.p[at] == '"')
			return at + 1;
	}
	return 0;
}

/* Behind the value that begins at `at`; 0: it does not end. */
static size_t skip_value(str s, size_t at)
{
	size_t depth = 0;

	while (at < s.n) {
		char c = s.p[at];

		if (c == '"') {
			at = skip_string(s, at);
			if (!at || !depth)
				return at;
			continue;
		}
		if (!depth && (c == ',' || c == '}' || c == ']'))
			return at;
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		at++;
		if (!depth && (c == '}' || c == ']'))
			return at;
	}
	return 0;
}

int members_begin(str object, struct members *ret)
{
	str text = object;

	while (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n < 2 || text.p[0] != '{' || text.p[text.n - 1] != '}')
		return -EBADMSG;
	*ret = (struct members){.rest = str_slice(text, 1, text.n)};
	return 0;
}

int members_next(struct members *m, str *ret_name, str *ret_value)
{
	str s = m->rest;
	size_t name, value;

	if (str_eq(s, STR("}")))
		return 0;
	if (m->has_begun) {
		if (!s.n || s.p[0] != ',')
			return -EBADMSG;
		s = str_slice(s, 1, s.n);
	}
	name = s.n && s.p[0] == '"' ? skip_string(s, 0) : 0;
	if (!name || name >= s.n || s.p[name] != ':')
		return -EBADMSG;
	value = skip_value(s, name + 1);
	if (!value)
		return -EBADMSG;
	*ret_name = str_slice(s, 1, name - 1);
	*ret_value = str_slice(s, name + 1, value);
	m->rest = str_slice(s, value, s.n);
	m->has_begun = true;
	return 1;
}
