/* vary.c - normalises the fields that Vary names, so that equal bytes mean a match. */
/* SPDX-License-Identifier: MIT */
#include "http/vary.h"

#include <stdlib.h>

#include "http/field.h"
#include "http/http_int.h"

#define SORTED_MAX 32u /* elements of a list */

static int compare_nocase(const void *a, const void *b)
{
	const str *x = a, *y = b;

	for (size_t i = 0; i < MIN(x->n, y->n); i++) {
		int d = (unsigned char)char_lower(x->p[i]) - (unsigned char)char_lower(y->p[i]);

		if (d)
			return d;
	}
	return (x->n > y->n) - (x->n < y->n);
}

static void add_lower(struct buf *out, str s)
{
	char *room = buf_room(out, s.n);

	for (size_t i = 0; i < s.n; i++)
		room[i] = char_lower(s.p[i]);
	buf_added(out, s.n);
}

/* The number of names, or -1. */
static ssize_t collect(const struct header *headers, size_t n, str names[VARY_NAMES_MAX])
{
	size_t count = 0;

	for (const struct header *h = header_find(headers, n, HEADER_VARY); h;
		h = header_find_next(headers, n, HEADER_VARY, h)) {
		str rest = h->value, name;

		while (field_next(&rest, &name)) {
			if (!field_is_token(name) || str_eq(name, STR("*")) ||
				count == VARY_NAMES_MAX)
				return -1;
			names[count++] = name;
		}
	}
	return (ssize_t)count;
}

bool vary_names(struct buf *out, const struct header *headers, size_t n)
{
	str names[VARY_NAMES_MAX];
	ssize_t count = collect(headers, n, names);

	assert(count <= (ssize_t)VARY_NAMES_MAX);
	if (count < 0)
		return false;
	qsort(names, (size_t)count, sizeof(names[0]), compare_nocase);
	for (ssize_t i = 0; i < count; i++) {
		if (i && str_eq_nocase(names[i], names[i - 1]))
			continue;
		if (i)
			buf_add_char(out, ',');
		add_lower(out, names[i]);
	}
	return true;
}

/* What may be done to a field's value without changing its meaning. */
enum form {
	FORM_LIST,   /* blanks around commas go */
	FORM_TOKENS, /* all blanks, and case */
	FORM_SET,    /* and order */
};

static enum form form_of(enum header_id id, str name)
{
	if (id == HEADER_ACCEPT_ENCODING || str_eq_nocase(name, STR("accept-language")))
		return FORM_SET;
	if (id == HEADER_ACCEPT || str_eq_nocase(name, STR("accept-charset")))
		return FORM_TOKENS;
	return FORM_LIST;
}

static void add_element(struct buf *out, str element, enum form form)
{
	if (form == FORM_LIST) {
		buf_add(out, element);
		return;
	}
	for (size_t i = 0; i < element.n; i++)
		if (!char_is_blank(element.p[i]))
			buf_add_char(out, char_lower(element.p[i]));
}

/* `start`: where the first element of the first line went. */
static void add_elements(struct buf *out, str value, enum form form, size_t start)
{
	str element;

	while (field_next(&value, &element)) {
		if (buf_len(out) > start)
			buf_add_char(out, ',');
		add_element(out, element, form);
	}
}

/* Sorts the elements after `start`, if there are not too many. */
static void sort_elements(struct buf *out, size_t start)
{
	str all = str_slice(buf_str(out), start, buf_len(out)), rest = all, element;
	str elements[SORTED_MAX];
	struct buf sorted = {0};
	size_t n = 0;

	while (field_next(&rest, &element)) {
		if (n == SORTED_MAX)
			return;
		elements[n++] = element;
	}
	qsort(elements, n, sizeof(elements[0]), compare_nocase);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(&sorted, ',');
		buf_add(&sorted, elements[i]);
	}
	assert(all.n <= buf_len(out) - start);
	out->end -= all.n;
	buf_add(out, buf_str(&sorted));
	buf_done(&sorted);
}

static void add_value(struct buf *out, str name, const struct header *headers, size_t n)
{
	enum form form = form_of(header_lookup(name), name);
	const struct header *h = header_find_name(headers, n, name);
	size_t start;

	if (!h)
		return;
	buf_add_char(out, ':');
	start = buf_len(out);
	for (; h < headers + n; h++)
		if (str_eq_nocase(h->name, name))
			add_elements(out, h->value, form, start);
	if (form == FORM_SET)
		sort_elements(out, start);
}

void vary_values(struct buf *out, str names, const struct header *headers, size_t n)
{
	str name;

	while (str_split(&names, ',', &name)) {
		add_value(out, name, headers, n);
		/* No field contains a line feed. */
		buf_add_char(out, '\n');
	}
}
