/* number.c - numbers, durations and sizes from and to text. */
/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
	str name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{STR_INIT("d"), 86400000},
	{STR_INIT("h"), 3600000},
	{STR_INIT("m"), 60000},
	{STR_INIT("s"), 1000},
	{STR_INIT("ms"), 1},
};
static const struct unit sizes[] = {
	{STR_INIT("GiB"), 1ull << 30},
	{STR_INIT("GB"), 1000000000},
	{STR_INIT("MiB"), 1ull << 20},
	{STR_INIT("MB"), 1000000},
	{STR_INIT("KiB"), 1ull << 10},
	{STR_INIT("KB"), 1000},
	{STR_INIT("kB"), 1000},
	{STR_INIT("B"), 1},
};

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = char_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static int parse_base(str s, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	assert(base <= 16); /* digit_of knows no more */
	if (!s.n)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)digit_of(s.p[i]);

		if (digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

/* This many digits are never too large. */
#define SAFE_DIGITS 18

int number_parse(str s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s.n || s.n > SAFE_DIGITS)
		return parse_base(s, 10, max, ret);
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9)
			return -EINVAL;
		v = v * 10 + digit;
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int number_parse_hex(str s, uint64_t max, uint64_t *ret)
{
	return parse_base(s, 16, max, ret);
}

static int parse_with_unit(str s, const struct unit *units, size_t n, uint64_t bare, uint64_t *ret)
{
	uint64_t factor = bare, v;
	size_t digits = 0;
	int r;

	while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	if (digits < s.n) {
		str name = str_slice(s, digits, s.n);

		factor = 0;
		for (size_t i = 0; i < n; i++)
			if (str_eq(name, units[i].name))
				factor = units[i].factor;
		if (!factor)
			return -EINVAL;
	}
	r = number_parse(str_slice(s, 0, digits), UINT64_MAX, &v);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(v, factor, &v) || v > INT64_MAX)
		return -ERANGE;
	*ret = v;
	return 0;
}

int number_parse_duration(str s, msec *ret)
{
	return parse_with_unit(s, durations, NITEMS(durations), 1000, ret);
}

int number_parse_size(str s, uint64_t *ret)
{
	return parse_with_unit(s, sizes, NITEMS(sizes), 1, ret);
}

static size_t count_digits(uint64_t v)
{
	size_t n = 1;

	for (uint64_t least = 10; n < 20 && v >= least; least *= 10)
		n++;
	return n;
}

/* Two digits at a time: the divisions are what costs. */
size_t number_write(char *out, uint64_t v)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	size_t n = count_digits(v);
	char *at = out + n;

	for (; v >= 100; v /= 100) {
		at -= 2;
		memcpy(at, &pairs[v % 100 * 2], 2);
	}
	if (v >= 10)
		memcpy(out, &pairs[v * 2], 2);
	else
		*out = (char)('0' + v);
	return n;
}

size_t number_write_hex(char *out, uint64_t v)
{
	size_t n = 1;

	for (uint64_t rest = v >> 4; rest; rest >>= 4)
		n++;
	for (size_t i = n; i-- > 0; v >>= 4)
		out[i] = "0123456789abcdef"[v & 15];
	assert(!v);
	return n;
}

static void text_with_unit(
	uint64_t v, const struct unit *units, size_t n, char out[NUMBER_TEXT_MAX])
{
	for (size_t i = 0; i < n; i++) {
		if (v && v % units[i].factor == 0) {
			snprintf(out, NUMBER_TEXT_MAX, "%" PRIu64 STR_FMT, v / units[i].factor,
				STR_ARG(units[i].name));
			return;
		}
	}
	snprintf(out, NUMBER_TEXT_MAX, "0");
}

void number_duration_text(msec v, char out[NUMBER_TEXT_MAX])
{
	text_with_unit(v, durations, NITEMS(durations), out);
}

void number_size_text(uint64_t v, char out[NUMBER_TEXT_MAX])
{
	text_with_unit(v, sizes, NITEMS(sizes), out);
}
