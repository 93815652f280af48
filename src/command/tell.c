/* tell.c - messages for the user at the command line. */
/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>

#include "command/command_int.h"

void tell_fault(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("fly-atc: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

void print_buf(const struct buf *b, FILE *file)
{
	str s = buf_str(b);

	(void)!fwrite(s.p, 1, s.n, file);
}
