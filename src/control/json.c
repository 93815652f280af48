/* json.c - writes JSON into a buffer. */
/* SPDX-License-Identifier: MIT */
#include "control/json.h"

static void before_value(struct json *j, const char *key)
{
	if (j->needs_comma)
		buf_add_char(j->out, ',');
	j->needs_comma = true;
	if (!key)
		return;
	buf_add_char(j->out, '"');
	buf_add_json(j->out, str_of(key));
	buf_add(j->out, STR("\":"));
}

static void open_with(struct json *j, const char *key, char bracket)
{
	before_value(j, key);
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
	before_value(j, key);
	buf_add_char(j->out, '"');
	buf_add_json(j->out, value);
	buf_add_char(j->out, '"');
}

void json_str_or_null(struct json *j, const char *key, str value)
{
	if (value.n)
		json_str(j, key, value);
	else
		json_null(j, key);
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	before_value(j, key);
	buf_add_number(j->out, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_raw(j, key, value ? STR("true") : STR("false"));
}

void json_null(struct json *j, const char *key)
{
	json_raw(j, key, STR("null"));
}

void json_raw(struct json *j, const char *key, str value)
{
	before_value(j, key);
	buf_add(j->out, value);
}
