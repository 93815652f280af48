/* fields.h - fields of a message, written in one line. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/header.h"

#define TEST_FIELDS 16

/* "If-Match: x|If-None-Match: y" becomes an array. */
static inline size_t make_fields(const char *text, struct header out[TEST_FIELDS])
{
	str rest = {text, strlen(text)}, line;
	size_t n = 0;

	while (str_split(&rest, '|', &line)) {
		size_t colon = (size_t)str_find_char(line, ':');

		assert_true(n < TEST_FIELDS);
		out[n].name = str_slice(line, 0, colon);
		out[n].value = str_trim(str_slice(line, colon + 1, line.n));
		out[n].id = header_lookup(out[n].name);
		out[n++].is_hop = false;
	}
	return n;
}
