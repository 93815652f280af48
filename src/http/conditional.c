/* conditional.c - compares entity tags and dates in the order of RFC 9110 13.2.2. */
/* SPDX-License-Identifier: MIT */
#include "http/conditional.h"

#include "http/date.h"
#include "http/http_int.h"

static bool is_weak(str tag)
{
	return str_starts(tag, STR("W/\""));
}

static str opaque(str tag)
{
	return is_weak(tag) ? str_slice(tag, 2, tag.n) : tag;
}

bool etag_eq_strong(str a, str b)
{
	return !is_weak(a) && !is_weak(b) && str_eq(a, b);
}

bool etag_eq_weak(str a, str b)
{
	return str_eq(opaque(a), opaque(b));
}

/* The length of the entity tag at the beginning of s, or 0. */
static size_t tag_length(str s)
{
	str tag = opaque(s);
	ssize_t end;

	if (!tag.n || tag.p[0] != '"')
		return 0;
	end = str_find_char(str_slice(tag, 1, tag.n), '"');
	return end < 0 ? 0 : s.n - tag.n + (size_t)end + 2;
}

bool etag_next(str *rest, str *ret_tag)
{
	size_t start = 0, n;
	ssize_t comma;

	while (start < rest->n && (char_is_blank(rest->p[start]) || rest->p[start] == ','))
		start++;
	*rest = str_slice(*rest, start, rest->n);
	if (!rest->n)
		return false;
	n = tag_length(*rest);
	comma = str_find_char(str_slice(*rest, n, rest->n), ',');
	n = comma < 0 ? rest->n : n + (size_t)comma;
	*ret_tag = str_trim(str_slice(*rest, 0, n));
	*rest = str_slice(*rest, n, rest->n);
	return true;
}

typedef bool etag_eq(str a, str b);

/* True if a tag on one of the lines is that of the representation, or `*` is the whole value. */
static bool names_etag(
	const struct header *headers, size_t n, enum header_id id, str etag, etag_eq *eq)
{
	for (const struct header *h = header_find(headers, n, id); h;
		h = header_find_next(headers, n, id, h)) {
		str rest = h->value, tag;

		if (str_eq(h->value, STR("*")))
			return true;
		while (etag_next(&rest, &tag))
			if (etag.n && eq(tag, etag))
				return true;
	}
	return false;
}

/* The only date with that id.  Several are not a date (RFC 9110 13.1.3). */
static bool read_date(
	const struct header *headers, size_t n, enum header_id id, int64_t now, int64_t *ret)
{
	const struct header *h = header_find(headers, n, id);

	return h && !header_find_next(headers, n, id, h) && date_parse(h->value, now, ret) == 0;
}

static bool is_read(enum method method)
{
	return method == METHOD_GET || method == METHOD_HEAD;
}

/* If-Match, or else If-Unmodified-Since. */
static bool is_still(
	const struct header *headers, size_t n, const struct validators *v, int64_t now)
{
	int64_t date;

	if (header_find(headers, n, HEADER_IF_MATCH))
		return names_etag(headers, n, HEADER_IF_MATCH, v->etag, etag_eq_strong);
	if (!v->has_last_modified || !read_date(headers, n, HEADER_IF_UNMODIFIED_SINCE, now, &date))
		return true;
	return v->last_modified <= date;
}

bool precondition_not_modified(
	const struct header *headers, size_t n, const struct validators *v, int64_t now)
{
	int64_t date;

	if (header_find(headers, n, HEADER_IF_NONE_MATCH))
		return names_etag(headers, n, HEADER_IF_NONE_MATCH, v->etag, etag_eq_weak);
	return v->has_last_modified &&
	       read_date(headers, n, HEADER_IF_MODIFIED_SINCE, now, &date) &&
	       v->last_modified <= date;
}

enum precondition precondition_check(const struct header *headers, size_t n, enum method method,
	const struct validators *v, int64_t now)
{
	if (!is_still(headers, n, v, now))
		return PRECONDITION_FAILED;
	if (is_read(method))
		return precondition_not_modified(headers, n, v, now) ? PRECONDITION_NOT_MODIFIED
								     : PRECONDITION_HOLDS;
	return names_etag(headers, n, HEADER_IF_NONE_MATCH, v->etag, etag_eq_weak)
		       ? PRECONDITION_FAILED
		       : PRECONDITION_HOLDS;
}

bool precondition_range_holds(
	const struct header *headers, size_t n, const struct validators *v, int64_t now)
{
	const struct header *h = header_find(headers, n, HEADER_IF_RANGE);
	int64_t date;

	if (!h)
		return true;
	if (header_find_next(headers, n, HEADER_IF_RANGE, h))
		return false;
	if (tag_length(h->value))
		return etag_eq_strong(h->value, v->etag);
	/* Two changes within a second have the same date: it is a strong validator only for what
	 * was older than that already (RFC 9110 8.8.2.2). */
	return v->has_last_modified && date_parse(h->value, now, &date) == 0 &&
	       date == v->last_modified && v->last_modified < v->date;
}
