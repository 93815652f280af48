/* why.c - a short text on the stack, cut to fit. */
/* SPDX-License-Identifier: MIT */
#include "backup/why.h"

#include <stdarg.h>
#include <stdio.h>

void why_set(struct why *w, const char *fmt, ...)
{
	struct why text; /* an argument may be the old text itself */
	va_list ap;
	int n;

	if (!w)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text.text, sizeof(text.text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text.text)) {
		size_t end = sizeof(text.text) - 1;

		while (end && ((unsigned char)text.text[end - 1] & 0xc0) == 0x80)
			end--;
		if (end && (unsigned char)text.text[end - 1] >= 0xc0)
			end--;
		text.text[end] = '\0';
	}
	*w = text;
}
