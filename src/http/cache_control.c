/* cache_control.c - reads directives, one line after the other, the stricter value winning. */
/* SPDX-License-Identifier: MIT */
#include "http/cache_control.h"

#include "base/number.h"
#include "http/dictionary.h"
#include "http/field.h"
#include "http/http_int.h"

enum directive_kind { IS_FLAG, IS_SECONDS, IS_MAX_STALE, IS_MIN_FRESH, HAS_FIELDS };

struct directive {
	str name;
	enum directive_kind kind;
	size_t at;     /* the flag, or the number */
	size_t fields; /* HAS_FIELDS: where the names go */
};

#define AT(member) offsetof(struct cache_control, member)

static const struct directive directives[] = {
	{STR_INIT("max-age"), IS_SECONDS, AT(max_age), 0},
	{STR_INIT("public"), IS_FLAG, AT(is_public), 0},
	{STR_INIT("private"), HAS_FIELDS, AT(is_private), AT(private_fields)},
	{STR_INIT("no-cache"), HAS_FIELDS, AT(no_cache), AT(no_cache_fields)},
	{STR_INIT("no-store"), IS_FLAG, AT(no_store), 0},
	{STR_INIT("s-maxage"), IS_SECONDS, AT(s_maxage), 0},
	/* The name under which Thruster knows it. */
	{STR_INIT("s-max-age"), IS_SECONDS, AT(s_maxage), 0},
	{STR_INIT("must-revalidate"), IS_FLAG, AT(must_revalidate), 0},
	{STR_INIT("proxy-revalidate"), IS_FLAG, AT(proxy_revalidate), 0},
	{STR_INIT("must-understand"), IS_FLAG, AT(must_understand), 0},
	{STR_INIT("no-transform"), IS_FLAG, AT(no_transform), 0},
	{STR_INIT("stale-while-revalidate"), IS_SECONDS, AT(stale_while_revalidate), 0},
	{STR_INIT("stale-if-error"), IS_SECONDS, AT(stale_if_error), 0},
	{STR_INIT("only-if-cached"), IS_FLAG, AT(only_if_cached), 0},
	{STR_INIT("max-stale"), IS_MAX_STALE, AT(max_stale), 0},
	{STR_INIT("min-fresh"), IS_MIN_FRESH, AT(min_fresh), 0},
};

static const struct cache_control nothing_said = {
	.max_age = CACHE_NO_VALUE,
	.s_maxage = CACHE_NO_VALUE,
	.max_stale = CACHE_NO_VALUE,
	.min_fresh = CACHE_NO_VALUE,
	.stale_while_revalidate = CACHE_NO_VALUE,
	.stale_if_error = CACHE_NO_VALUE,
};

static const struct directive *find_directive(str name)
{
	for (size_t i = 0; i < NITEMS(directives); i++)
		if (name.n == directives[i].name.n && str_eq_nocase(name, directives[i].name))
			return &directives[i];
	return NULL;
}

static void *member(struct cache_control *c, size_t at)
{
	return (char *)c + at;
}

/* Digits, however many; CACHE_NO_VALUE if they are not all digits. */
static int64_t parse_seconds(str s)
{
	uint64_t v = 0;
	int r = number_parse(s, CACHE_SECONDS_MAX, &v);

	if (r == -ERANGE)
		return CACHE_SECONDS_MAX;
	return r < 0 ? CACHE_NO_VALUE : (int64_t)v;
}

static void set_seconds(int64_t *at, int64_t seconds)
{
	if (seconds != CACHE_NO_VALUE && (*at == CACHE_NO_VALUE || seconds < *at))
		*at = seconds;
}

/* One directive.  `value` is without quotes; has_value: there was a '='. */
static void apply_directive(
	struct cache_control *c, str name, bool has_value, str value, int64_t seconds)
{
	const struct directive *d = find_directive(name);
	int64_t *number;
	str *fields;

	c->is_there = true;
	if (!d)
		return;
	number = member(c, d->at);
	switch (d->kind) {
	case IS_FLAG:
		*(bool *)member(c, d->at) = true;
		break;
	case IS_SECONDS:
		set_seconds(number, seconds);
		break;
	case IS_MAX_STALE:
		c->any_max_stale |= !has_value;
		set_seconds(number, seconds);
		break;
	case IS_MIN_FRESH:
		*number = MAX(*number, seconds);
		break;
	case HAS_FIELDS:
		fields = member(c, d->fields);
		if (value.n && !fields->n)
			*fields = value;
		else
			*(bool *)member(c, d->at) = true;
		break;
	}
}

static bool is_quoted(str s)
{
	return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
}

static bool has_open_quote(str s)
{
	bool is_open = false;

	if (str_find_char(s, '"') < 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			is_open = !is_open;
		else if (is_open && s.p[i] == '\\')
			i++;
	}
	return is_open;
}

/* "name", "name=value" or "name=\"value\"".  No grammar has blanks around the '=': the name is
 * understood, so that nothing strict is missed, the number is not. */
static void apply_element(struct cache_control *c, str element, bool is_response)
{
	ssize_t eq = str_find_char(element, '=');
	str name = eq < 0 ? element : str_slice(element, 0, (size_t)eq);
	str value = eq < 0 ? STR_EMPTY : str_slice(element, (size_t)eq + 1, element.n);
	str trimmed = str_trim(name);
	int64_t seconds;

	c->is_garbled |= has_open_quote(element);
	if (is_quoted(value))
		value = str_slice(value, 1, value.n - 1);
	seconds = trimmed.n == name.n ? parse_seconds(value) : CACHE_NO_VALUE;
	if (seconds == CACHE_NO_VALUE && is_response)
		seconds = 0;
	apply_directive(c, trimmed, eq >= 0, value, seconds);
}

static void read_plain(
	const struct header *headers, size_t n, bool is_response, struct cache_control *c)
{
	for (const struct header *h = header_find(headers, n, HEADER_CACHE_CONTROL); h;
		h = header_find_next(headers, n, HEADER_CACHE_CONTROL, h)) {
		str rest = h->value, element;

		while (field_next(&rest, &element))
			apply_element(c, element, is_response);
	}
}

void cache_control_of_request(const struct header *headers, size_t n, struct cache_control *ret)
{
	*ret = nothing_said;
	read_plain(headers, n, false, ret);
	/* RFC 9111 5.4 */
	if (!ret->is_there && header_has_token(headers, n, HEADER_PRAGMA, STR("no-cache")))
		ret->no_cache = true;
}

/* RFC 9213 2.1: numbers are integers, flags are true; a value of another type counts as not
 * given. */
static void apply_member(struct cache_control *c, str key, const struct item *item)
{
	const struct directive *d = find_directive(key);
	bool is_number = item->type == ITEM_INTEGER && item->number >= 0;

	c->is_there = true;
	if (!d || (item->type == ITEM_BOOLEAN && !item->number))
		return;
	if (d->kind == IS_FLAG || d->kind == HAS_FIELDS)
		apply_directive(c, key, false, STR_EMPTY, 0);
	else if (is_number)
		apply_directive(c, key, true, STR_EMPTY, MIN(item->number, CACHE_SECONDS_MAX));
	else if (item->type == ITEM_INTEGER)
		apply_directive(c, key, true, STR_EMPTY, 0);
}

static bool read_targeted(
	const struct header *headers, size_t n, enum header_id id, struct cache_control *ret)
{
	struct cache_control c = nothing_said;

	for (const struct header *h = header_find(headers, n, id); h;
		h = header_find_next(headers, n, id, h)) {
		struct item item;
		enum parse r;
		str rest = h->value, key;

		while ((r = dictionary_next(&rest, &key, &item)) == PARSE_OK)
			apply_member(&c, key, &item);
		if (r == PARSE_BAD)
			return false;
	}
	if (!c.is_there)
		return false;
	c.is_targeted = true;
	*ret = c;
	return true;
}

static bool has_targeted(const struct header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (headers[i].id == HEADER_FLY_ATC_CACHE_CONTROL ||
			headers[i].id == HEADER_CDN_CACHE_CONTROL)
			return true;
	return false;
}

void cache_control_of_response(const struct header *headers, size_t n, struct cache_control *ret)
{
	if (has_targeted(headers, n) &&
		(read_targeted(headers, n, HEADER_FLY_ATC_CACHE_CONTROL, ret) ||
			read_targeted(headers, n, HEADER_CDN_CACHE_CONTROL, ret)))
		return;
	*ret = nothing_said;
	read_plain(headers, n, true, ret);
}
