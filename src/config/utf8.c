/* utf8.c - text that a configuration may contain: UTF-8 (RFC 3629) without control characters. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

/* Bytes of the character at p, or 0. */
static size_t character_length(const unsigned char *p, size_t n)
{
	static const unsigned char lowest_second[] = {[0xe0 - 0xc0] = 0xa0, [0xf0 - 0xc0] = 0x90};
	static const unsigned char highest_second[] = {[0xed - 0xc0] = 0x9f, [0xf4 - 0xc0] = 0x8f};
	size_t length, lead = p[0];

	if (lead < 0x80)
		return (lead >= 0x20 && lead != 0x7f) || lead == '\t' || lead == '\n' ||
		       lead == '\r';
	length = lead >= 0xc2 && lead < 0xe0   ? 2
		 : lead >= 0xe0 && lead < 0xf0 ? 3
		 : lead >= 0xf0 && lead < 0xf5 ? 4
					       : 0;
	if (!length || length > n)
		return 0;
	lead -= 0xc0;
	if (lead < sizeof(lowest_second) && p[1] < lowest_second[lead])
		return 0;
	if (lead < sizeof(highest_second) && highest_second[lead] && p[1] > highest_second[lead])
		return 0;
	for (size_t i = 1; i < length; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return length;
}

size_t utf8_valid_length(str text)
{
	const unsigned char *p = (const unsigned char *)text.p;
	size_t i = 0;

	while (i < text.n) {
		size_t length = character_length(p + i, text.n - i);

		if (!length)
			break;
		i += length;
	}
	return i;
}
