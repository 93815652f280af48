/* errors.h - the ways in which an exchange can fail, and what is said about each to programs and to
 * people. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

enum error {
	ERROR_NONE,
#define ERROR(name, token, status, title, text) ERROR_##name,
#include "proxy/errors.def"
	ERROR_NERRORS
};

/* All empty and 0 for ERROR_NONE. */
str error_token(enum error e);
unsigned error_status(enum error e);
str error_title(enum error e);
str error_text(enum error e);
/* The error for a status with which http/head.h refuses a request. */
enum error error_of_status(unsigned status);
