/* range.c - the field Range. */
/* SPDX-License-Identifier: MIT */
#include "http/range.h"

#include "base/number.h"
#include "http/field.h"
#include "http/http_int.h"

/* What a part costs beside its bytes: boundary, Content-Type, Content-Range. */
#define GAP 80

/* Digits only; a number too large for us is beyond any end. */
static bool read_position(str text, uint64_t *ret)
{
	int r = number_parse(text, INT64_MAX, ret);

	if (r == -ERANGE)
		*ret = INT64_MAX;
	return r == 0 || r == -ERANGE;
}

/* "-500": the last 500 bytes. */
static bool read_suffix(str text, uint64_t size, struct range *ret)
{
	uint64_t n;

	if (!read_position(text, &n))
		return false;
	n = MIN(n, size);
	*ret = (struct range){size - n, n};
	return true;
}

/* One range; its length is 0 if nothing of it exists.  False: not well-formed. */
static bool read_one(str text, uint64_t size, struct range *ret)
{
	ssize_t dash = str_find_char(text, '-');
	uint64_t first, last = INT64_MAX;
	str behind;

	if (dash < 0)
		return false;
	behind = str_slice(text, (size_t)dash + 1, text.n);
	if (!dash)
		return read_suffix(behind, size, ret);
	if (!read_position(str_slice(text, 0, (size_t)dash), &first))
		return false;
	if (behind.n && (!read_position(behind, &last) || last < first))
		return false;
	if (first >= size)
		*ret = (struct range){0, 0};
	else
		*ret = (struct range){first, MIN(last, size - 1) - first + 1};
	return true;
}

/* True if b begins in a, or just after it: *a becomes both. */
static bool join_ranges(struct range *a, struct range b)
{
	uint64_t end = a->offset + a->length;

	if (b.offset < a->offset || (b.offset > end && b.offset - end > GAP))
		return false;
	a->length = MAX(end, b.offset + b.length) - a->offset;
	assert(a->offset + a->length >= end);
	return true;
}

enum range_verdict range_read(str value, uint64_t size, struct range *out, size_t *ret_n)
{
	uint64_t left = size;
	size_t n = 0, seen = 0;
	str element;

	if (!str_starts_nocase(value, STR("bytes=")))
		return RANGE_WHOLE;
	value = str_slice(value, STR("bytes=").n, value.n);
	for (; field_next(&value, &element); seen++) {
		struct range r;

		if (seen == RANGE_MAX || !read_one(element, size, &r) || r.length > left)
			return RANGE_WHOLE;
		assert(r.offset <= size && r.length <= size - r.offset);
		left -= r.length;
		if (r.length && (!n || !join_ranges(&out[n - 1], r)))
			out[n++] = r;
	}
	if (!seen)
		return RANGE_WHOLE;
	assert(n <= seen && n <= RANGE_MAX);
	*ret_n = n;
	return n ? RANGE_PARTS : RANGE_UNSATISFIABLE;
}

enum range_verdict range_of_request(const struct header *headers, size_t n, enum method method,
	uint64_t size, struct range *out, size_t *ret_n)
{
	const struct header *h = header_find(headers, n, HEADER_RANGE);

	if (method != METHOD_GET || !h || header_find_next(headers, n, HEADER_RANGE, h))
		return RANGE_WHOLE;
	return range_read(h->value, size, out, ret_n);
}
