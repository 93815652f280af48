/* method.c - a method by its name, and its properties. */
/* SPDX-License-Identifier: MIT */
#include "http/method.h"

struct method_row {
	str name;
	bool is_safe, is_idempotent;
};

static const struct method_row rows[] = {[METHOD_OTHER] = {STR_INIT(""), false, false},
#define X(name, safe, idempotent) [METHOD_##name] = {STR_INIT(#name), safe, idempotent},
	METHODS(X)
#undef X
};
static_assert(NITEMS(rows) == METHOD_NMETHODS, "a row for each method");

enum method method_lookup(str text)
{
	for (enum method m = METHOD_GET; m < METHOD_NMETHODS; m++)
		if (str_eq(rows[m].name, text))
			return m;
	return METHOD_OTHER;
}

bool method_is_safe(enum method m)
{
	return rows[m].is_safe;
}

bool method_is_idempotent(enum method m)
{
	return rows[m].is_idempotent;
}
