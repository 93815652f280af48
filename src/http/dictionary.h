/* dictionary.h - dictionaries of structured fields (RFC 9651 3.2), as targeted Cache-Control fields
 * have it (RFC 9213). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

enum item_type {
	ITEM_BOOLEAN, /* number is 0 or 1; a key alone is true */
	ITEM_INTEGER,
	ITEM_OTHER, /* decimal, string, token, bytes, date, list: checked, and given as text */
};

struct item {
	enum item_type type;
	int64_t number;
	str text; /* unchanged, without parameters */
};

/* Takes the next member off one field line.  Parameters are checked and left out.
 *
 * OK: *ret_key and *ret_item are set.  MORE: there are no more.  BAD: the line is not a dictionary,
 * and nothing in the field may be believed. */
enum parse dictionary_next(str *rest, str *ret_key, struct item *ret_item) MUST_USE;
