/* json.h - writes JSON into a buffer, piece by piece; commas and escapes are taken care of. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

/* {.out = buffer} is a writer at the beginning of a value. */
struct json {
	struct buf *out;
	bool needs_comma;
};

/* `key` is NULL for the elements of an array and for the outermost value. */
void json_open_object(struct json *j, const char *key);
void json_close_object(struct json *j);
void json_open_array(struct json *j, const char *key);
void json_close_array(struct json *j);
void json_str(struct json *j, const char *key, str value);
/* null where the value is empty. */
void json_str_or_null(struct json *j, const char *key, str value);
void json_number(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
/* A value that is JSON already. */
void json_raw(struct json *j, const char *key, str value);
