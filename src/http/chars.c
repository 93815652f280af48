/* chars.c - one table of bits for each byte. */
/* SPDX-License-Identifier: MIT */
#include "http/chars.h"

#define NAME  (CHAR_TOKEN | CHAR_UNRESERVED | CHAR_PATH | CHAR_PLAIN)
#define DIGIT (NAME | CHAR_HEX | CHAR_DIGIT)
#define MARK  (CHAR_TOKEN | CHAR_PATH | CHAR_PLAIN)
#define OTHER (CHAR_PATH | CHAR_PLAIN)

const uint8_t char_classes[256] = {
	[0 ... 8] = CHAR_CONTROL,
	[10 ... 31] = CHAR_CONTROL,
	[127] = CHAR_CONTROL,
	['0' ... '9'] = DIGIT,
	['A' ... 'F'] = NAME | CHAR_HEX,
	['G' ... 'Z'] = NAME,
	['a' ... 'f'] = NAME | CHAR_HEX,
	['g' ... 'z'] = NAME,
	['-'] = NAME,
	['_'] = NAME,
	['~'] = NAME,
	['.'] = CHAR_TOKEN | CHAR_UNRESERVED | CHAR_PATH,
	['%'] = CHAR_TOKEN | CHAR_PATH,
	['#'] = CHAR_TOKEN,
	['/'] = CHAR_PATH,
	['\\'] = CHAR_PATH,
	['!'] = MARK,
	['$'] = MARK,
	['&'] = MARK,
	['\''] = MARK,
	['*'] = MARK,
	['+'] = MARK,
	['^'] = MARK,
	['`'] = MARK,
	['|'] = MARK,
	['"'] = OTHER,
	['('] = OTHER,
	[')'] = OTHER,
	[','] = OTHER,
	[':'] = OTHER,
	[';'] = OTHER,
	['<'] = OTHER,
	['='] = OTHER,
	['>'] = OTHER,
	['@'] = OTHER,
	['['] = OTHER,
	[']'] = OTHER,
	['{'] = OTHER,
	['}'] = OTHER,
};
