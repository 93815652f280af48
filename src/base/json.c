/* json.c - escapes eight bytes at a time; most text needs no escapes. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"

/* --- text --- */

#define EACH_BYTE(c)   (0x0101010101010101u * (uint64_t)(c))
#define HAS_LESS(x, c) (((x)-EACH_BYTE(c)) & ~(x)&EACH_BYTE(0x80))
#define HAS_BYTE(x, c) HAS_LESS((x) ^ EACH_BYTE(c), 1)

/* True if JSON takes these eight bytes unchanged. */
static bool is_plain8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, 8);
	return !((x & EACH_BYTE(0x80)) | HAS_LESS(x, 0x20) | HAS_BYTE(x, '"') | HAS_BYTE(x, '\\') |
		 HAS_BYTE(x, 0x7f));
}

/* Length of the well-formed UTF-8 sequence at p (n bytes are there), 0 if there is none (Unicode
 * table 3-7). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t need = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (!need || need > n)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return need;
}

static void add_control(struct buf *b, unsigned char c)
{
	if (c == '\n')
		buf_add(b, STR("\\n"));
	else if (c == '\t')
		buf_add(b, STR("\\t"));
	else if (c == '\r')
		buf_add(b, STR("\\r"));
	else
		buf_printf(b, "\\u%04x", c);
}

/* How much of it JSON takes unchanged: nearly everything. */
static size_t count_plain(str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0;

	while (i + 8 <= s.n && is_plain8(s.p + i))
		i += 8;
	if (s.n - i < 8 && s.n >= 8 && is_plain8(s.p + s.n - 8))
		return s.n;
	while (i < s.n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

/* For a text whose first byte it does not take: the number of bytes that were dealt with. */
static size_t add_special(struct buf *out, str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = 1;

	if (p[0] == '"' || p[0] == '\\') {
		buf_add_char(out, '\\');
		buf_add_char(out, s.p[0]);
	} else if (p[0] < 0x20 || p[0] == 0x7f) {
		add_control(out, p[0]);
	} else {
		n = utf8_length(p, s.n);
		buf_add(out, n ? str_slice(s, 0, n) : STR("\\ufffd"));
	}
	return MAX(n, (size_t)1);
}

void json_add_string(struct buf *out, str s)
{
	size_t n = count_plain(s);
	char *p = buf_room(out, n + 2);

	p[0] = '"';
	if (n)
		memcpy(p + 1, s.p, n);
	out->end += n + 1;
	while (n < s.n) {
		s = str_slice(s, n, s.n);
		s = str_slice(s, add_special(out, s), s.n);
		n = count_plain(s);
		buf_add(out, str_slice(s, 0, n));
	}
	buf_add_char(out, '"');
}

/* --- values --- */

static void open_with(struct json *j, const char *key, char bracket)
{
	json_key(j, key);
	buf_add_char(j->out, bracket);
	j->needs_comma = false;
}

static void close_with(struct json *j, char bracket)
{
	buf_add_char(j->out, bracket);
	j->needs_comma = true;
}

void json_open_object(struct json *j, const char *key)
{
	open_with(j, key, '{');
}

void json_name(struct json *j, str name)
{
	json_key(j, NULL);
	json_add_string(j->out, name);
	buf_add_char(j->out, ':');
	j->needs_comma = false;
}

void json_open_object_named(struct json *j, str name)
{
	json_name(j, name);
	json_open_object(j, NULL);
}

void json_close_object(struct json *j)
{
	close_with(j, '}');
}

void json_open_array(struct json *j, const char *key)
{
	open_with(j, key, '[');
}

void json_close_array(struct json *j)
{
	close_with(j, ']');
}

void json_str(struct json *j, const char *key, str value)
{
	json_str_inline(j, key, value);
}

void json_str_or_null(struct json *j, const char *key, str value)
{
	if (value.n)
		json_str(j, key, value);
	else
		json_none(j, key);
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	buf_add_number(j->out, value);
}

void json_int(struct json *j, const char *key, int64_t value)
{
	json_int_inline(j, key, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_raw(j, key, value ? STR("true") : STR("false"));
}

void json_none(struct json *j, const char *key)
{
	json_raw(j, key, STR("null"));
}

void json_raw(struct json *j, const char *key, str value)
{
	json_key(j, key);
	buf_add(j->out, value);
}
