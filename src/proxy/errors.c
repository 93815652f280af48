/* errors.c - the table of errors.def. */
/* SPDX-License-Identifier: MIT */
#include "proxy/errors.h"

static const struct error_row {
	str token;
	unsigned status;
	str title, text;
} rows[] = {
	[ERROR_NONE] = {STR_INIT(""), 0, STR_INIT(""), STR_INIT("")},
#define ERROR(name, token, status, title, text)                                                    \
	[ERROR_##name] = {STR_INIT(token), status, STR_INIT(title), STR_INIT(text)},
#include "proxy/errors.def"
};
static_assert(NITEMS(rows) == ERROR_NERRORS, "a row for each error");

str error_token(enum error e)
{
	return rows[e].token;
}

unsigned error_status(enum error e)
{
	return rows[e].status;
}

str error_title(enum error e)
{
	return rows[e].title;
}

str error_text(enum error e)
{
	return rows[e].text;
}

enum error error_of_status(unsigned status)
{
	static const enum error parsers[] = {ERROR_REQUEST_TIMEOUT, ERROR_BODY_TOO_LARGE,
		ERROR_URI_TOO_LONG, ERROR_EXPECTATION, ERROR_HEADER_TOO_LARGE,
		ERROR_NOT_IMPLEMENTED, ERROR_VERSION};

	for (size_t i = 0; i < NITEMS(parsers); i++)
		if (rows[parsers[i]].status == status)
			return parsers[i];
	return ERROR_BAD_REQUEST;
}
