/* json.h - writes JSON into a buffer, piece by piece: commas, quotes and escapes are taken care of.
 *
 * All JSON that we write is written here, and allocates nothing but room in that buffer; what we
 * read is parsed by Jansson.  Whatever bytes a text has, the result is JSON in UTF-8, on one line:
 * quotes, backslashes and controls are escaped, and U+FFFD stands for what is not UTF-8. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

/* {.out = buffer} is a writer at the beginning of a value; one inside an object that already has
 * members is {buffer, true}. */
struct json {
	struct buf *out;
	bool needs_comma;
};

/* `key` is a word of ours, which needs no escapes; NULL for the elements of an array and for the
 * outermost value. */
void json_open_object(struct json *j, const char *key);
/* For keys that come from outside: the value that is written next, without a key, has this name. */
void json_name(struct json *j, str name);
void json_open_object_named(struct json *j, str name);
void json_close_object(struct json *j);
void json_open_array(struct json *j, const char *key);
void json_close_array(struct json *j);
void json_str(struct json *j, const char *key, str value);
/* null if the value is empty. */
void json_str_or_null(struct json *j, const char *key, str value);
void json_number(struct json *j, const char *key, uint64_t value);
void json_int(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
/* null; a function of Jansson has the obvious name, and would call this one. */
void json_none(struct json *j, const char *key);
/* A value that is JSON already. */
void json_raw(struct json *j, const char *key, str value);

/* --- inlined, for what is written for every request: the length of a literal key is known --- */

/* A string alone, with its quotes. */
void json_add_string(struct buf *out, str s);

/* What comes before a value. */
static inline void json_key(struct json *j, const char *key)
{
	size_t n = key ? strlen(key) : 0;
	char *p = buf_room(j->out, n + 4);

	*p = ',';
	p += j->needs_comma;
	j->out->end += (size_t)j->needs_comma + (key ? n + 3 : 0);
	j->needs_comma = true;
	if (!key)
		return;
	p[0] = '"';
	memcpy(p + 1, key, n);
	p[n + 1] = '"';
	p[n + 2] = ':';
}

static inline void json_str_inline(struct json *j, const char *key, str value)
{
	json_key(j, key);
	json_add_string(j->out, value);
}

static inline void json_int_inline(struct json *j, const char *key, int64_t value)
{
	json_key(j, key);
	if (value < 0)
		buf_add_char(j->out, '-');
	buf_add_number(j->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}
