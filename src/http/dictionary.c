/* dictionary.c - dictionaries of structured fields. */
/* SPDX-License-Identifier: MIT */
#include "http/dictionary.h"

#include "http/http_int.h"

#define INTEGER_DIGITS 15 /* RFC 9651 3.3.1 */
#define DECIMAL_DIGITS 12

static char peek(str s)
{
	return s.n ? s.p[0] : 0;
}

static void skip_chars_of(str *s, size_t n)
{
	assert(n <= s->n);
	*s = str_slice(*s, n, s->n);
}

static bool take_char(str *s, char c)
{
	if (peek(*s) != c)
		return false;
	skip_chars_of(s, 1);
	return true;
}

static void skip_blanks(str *s)
{
	while (s->n && char_is_blank(s->p[0]))
		skip_chars_of(s, 1);
}

static bool is_key_char(char c, bool is_first)
{
	if ((c >= 'a' && c <= 'z') || c == '*')
		return true;
	return !is_first && (char_is(c, CHAR_DIGIT) || c == '_' || c == '-' || c == '.');
}

static bool take_key(str *s, str *ret)
{
	size_t n = 0;

	while (n < s->n && is_key_char(s->p[n], n == 0))
		n++;
	*ret = str_slice(*s, 0, n);
	skip_chars_of(s, n);
	return n;
}

static size_t count_digits(str s)
{
	size_t n = 0;

	while (n < s.n && char_is(s.p[n], CHAR_DIGIT))
		n++;
	return n;
}

static bool take_number(str *s, struct item *item)
{
	bool is_negative = take_char(s, '-');
	size_t n = count_digits(*s), fraction;
	int64_t v = 0;

	for (size_t i = 0; i < n && i < INTEGER_DIGITS; i++)
		v = v * 10 + (s->p[i] - '0');
	skip_chars_of(s, n);
	if (!take_char(s, '.')) {
		item->type = ITEM_INTEGER;
		item->number = is_negative ? -v : v;
		return n && n <= INTEGER_DIGITS;
	}
	fraction = count_digits(*s);
	skip_chars_of(s, fraction);
	return n && n <= DECIMAL_DIGITS && fraction && fraction <= 3;
}

static bool take_string(str *s)
{
	if (!take_char(s, '"'))
		return false;
	while (s->n) {
		char c = s->p[0];

		skip_chars_of(s, 1);
		if (c == '"')
			return true;
		if (c == '\\' && !take_char(s, '"') && !take_char(s, '\\'))
			return false;
		if (c < ' ' || c > '~')
			return false;
	}
	return false;
}

static bool take_bytes(str *s)
{
	ssize_t n;

	skip_chars_of(s, 1);
	n = str_find_char(*s, ':');
	for (ssize_t i = 0; i < n; i++) {
		char c = s->p[i], lower = char_lower(c);

		if (!(lower >= 'a' && lower <= 'z') && !char_is(c, CHAR_DIGIT) && c != '+' &&
			c != '/' && c != '=')
			return false;
	}
	skip_chars_of(s, (size_t)(n + 1));
	return n >= 0;
}

static bool take_token(str *s)
{
	size_t n = 0;

	while (n < s->n && (char_is(s->p[n], CHAR_TOKEN) || s->p[n] == ':' || s->p[n] == '/'))
		n++;
	skip_chars_of(s, n);
	return n;
}

static bool take_boolean(str *s, struct item *item)
{
	skip_chars_of(s, 1);
	item->type = ITEM_BOOLEAN;
	item->number = peek(*s) == '1';
	return take_char(s, '0') || take_char(s, '1');
}

static bool take_bare(str *s, struct item *item)
{
	char c = peek(*s);
	struct item seconds;

	item->type = ITEM_OTHER;
	if (c == '-' || char_is(c, CHAR_DIGIT))
		return take_number(s, item);
	if (c == '"')
		return take_string(s);
	if (c == ':')
		return take_bytes(s);
	if (c == '?')
		return take_boolean(s, item);
	if (c == '@') {
		skip_chars_of(s, 1);
		seconds.type = ITEM_OTHER;
		return take_number(s, &seconds) && seconds.type == ITEM_INTEGER;
	}
	return (c == '*' || (char_lower(c) >= 'a' && char_lower(c) <= 'z')) && take_token(s);
}

static bool take_params(str *s)
{
	while (take_char(s, ';')) {
		struct item value;
		str key;

		while (take_char(s, ' '))
			;
		if (!take_key(s, &key) || (take_char(s, '=') && !take_bare(s, &value)))
			return false;
	}
	return true;
}

static bool take_list(str *s)
{
	struct item item;

	skip_chars_of(s, 1);
	while (s->n) {
		while (take_char(s, ' '))
			;
		if (take_char(s, ')'))
			return true;
		if (!take_bare(s, &item) || !take_params(s))
			return false;
		if (peek(*s) != ' ' && peek(*s) != ')')
			return false;
	}
	return false;
}

static bool take_value(str *s, struct item *item)
{
	str before = *s;
	bool ok;

	item->type = ITEM_OTHER;
	ok = peek(*s) == '(' ? take_list(s) : take_bare(s, item);
	item->text = str_slice(before, 0, before.n - s->n);
	return ok;
}

/* What follows a member: the end, or a comma and another one. */
static bool take_comma(str *s)
{
	skip_blanks(s);
	if (!s->n)
		return true;
	if (!take_char(s, ','))
		return false;
	skip_blanks(s);
	return s->n;
}

enum parse dictionary_next(str *rest, str *ret_key, struct item *ret_item)
{
	struct item item = {.type = ITEM_BOOLEAN, .number = 1, .text = STR_EMPTY};
	str s = *rest, key;

	skip_blanks(&s);
	if (!s.n)
		return PARSE_MORE;
	if (!take_key(&s, &key) || (take_char(&s, '=') && !take_value(&s, &item)) ||
		!take_params(&s) || !take_comma(&s))
		return PARSE_BAD;
	*rest = s;
	*ret_key = key;
	*ret_item = item;
	return PARSE_OK;
}
