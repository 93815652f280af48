/* method.h - request methods (RFC 9110 9, RFC 5789). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* X(NAME, safe, idempotent) */
#define METHODS(X)                                                                                 \
	X(GET, true, true)                                                                         \
	X(HEAD, true, true)                                                                        \
	X(POST, false, false)                                                                      \
	X(PUT, false, true)                                                                        \
	X(DELETE, false, true)                                                                     \
	X(PATCH, false, false)                                                                     \
	X(OPTIONS, true, true)                                                                     \
	X(TRACE, true, true)                                                                       \
	X(CONNECT, false, false)

enum method {
	METHOD_OTHER,
#define X(name, safe, idempotent) METHOD_##name,
	METHODS(X)
#undef X
		METHOD_NMETHODS
};

/* Methods are case-sensitive: "get" is METHOD_OTHER. */
enum method method_lookup(str text);
/* METHOD_OTHER is neither safe nor idempotent. */
bool method_is_safe(enum method m);
bool method_is_idempotent(enum method m);
