/* field.c - splits lists and parameters, and weighs what a client accepts. */
/* SPDX-License-Identifier: MIT */
#include "http/field.h"

#include "http/http_int.h"

bool field_is_token(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!char_is(s.p[i], CHAR_TOKEN))
			return false;
	return s.n;
}

/* The offset of the quote that ends a string, or beyond the end. */
static size_t find_quote(str s, size_t i)
{
	for (; i < s.n && s.p[i] != '"'; i++)
		if (s.p[i] == '\\')
			i++;
	return i;
}

/* The offset of the first `sep` outside quoted strings, or the length. */
static size_t find_unquoted(str s, char sep)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == sep)
			return i;
		if (s.p[i] == '"')
			i = find_quote(s, i + 1);
	}
	return s.n;
}

static str take_until(str *rest, char sep)
{
	size_t n = find_unquoted(*rest, sep);
	str part = str_slice(*rest, 0, n);

	assert(n <= rest->n);
	*rest = str_slice(*rest, n + 1, rest->n);
	return str_trim(part);
}

bool field_next(str *rest, str *ret_element)
{
	while (rest->n) {
		str element = take_until(rest, ',');

		if (element.n) {
			*ret_element = element;
			return true;
		}
	}
	return false;
}

str field_value(str element, str *ret_params)
{
	str value = take_until(&element, ';');

	*ret_params = element;
	return value;
}

bool field_next_param(str *params, str *ret_name, str *ret_value)
{
	while (params->n) {
		str value = take_until(params, ';');
		str name = take_until(&value, '=');

		if (!name.n)
			continue;
		value = str_trim(value);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = str_slice(value, 1, value.n - 1);
		*ret_name = name;
		*ret_value = value;
		return true;
	}
	return false;
}

/* RFC 9110 12.4.2: at most three digits after the point. */
static unsigned parse_weight(str s)
{
	unsigned weight, factor = 100;

	if (!s.n || s.p[0] < '0' || s.p[0] > '1' || (s.n > 1 && s.p[1] != '.') || s.n > 5)
		return FIELD_WEIGHT_MAX;
	weight = (unsigned)(s.p[0] - '0') * FIELD_WEIGHT_MAX;
	for (size_t i = 2; i < s.n; i++, factor /= 10) {
		if (!char_is(s.p[i], CHAR_DIGIT))
			return FIELD_WEIGHT_MAX;
		weight += (unsigned)(s.p[i] - '0') * factor;
	}
	return MIN(weight, FIELD_WEIGHT_MAX);
}

unsigned field_weight(str params)
{
	str name, value;

	while (field_next_param(&params, &name, &value))
		if (str_eq_nocase(name, STR("q")))
			return parse_weight(value);
	return FIELD_WEIGHT_MAX;
}

/* 3 for the type itself, 2 for its family, 1 for anything, 0 for something else. */
static unsigned range_precision(str range, str type)
{
	if (str_eq_nocase(range, type))
		return 3;
	if (str_eq(range, STR("*/*")))
		return 1;
	if (str_ends(range, STR("/*")) && str_starts_nocase(type, str_slice(range, 0, range.n - 1)))
		return 2;
	return 0;
}

/* The weight of the most precise range for `type`; *ret_precision is 0 if none is for it. */
static unsigned find_range(str accept, str type, unsigned *ret_precision)
{
	unsigned best = 0, weight = 0;
	str element, params;

	while (field_next(&accept, &element)) {
		unsigned precision = range_precision(field_value(element, &params), type);

		if (precision > best) {
			best = precision;
			weight = field_weight(params);
		}
	}
	*ret_precision = best;
	return weight;
}

unsigned accept_weight(str accept, str type)
{
	unsigned precision;

	return str_trim(accept).n ? find_range(accept, type, &precision) : FIELD_WEIGHT_MAX;
}

bool accept_names(str accept, str type)
{
	unsigned precision, weight = find_range(accept, type, &precision);

	return precision == 3 && weight > 0;
}

unsigned coding_weight(str accept_encoding, str coding)
{
	unsigned of_star = 0;
	str element, params;

	while (field_next(&accept_encoding, &element)) {
		str name = field_value(element, &params);

		if (str_eq_nocase(name, coding))
			return field_weight(params);
		if (str_eq(name, STR("*")))
			of_star = field_weight(params);
	}
	return of_star;
}
