/* fault.c - puts the reason for which a head was refused into words. */
/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "http/http_int.h"

#define WHERE_MAX 120u

static void add_plain(struct buf *out, str s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];

		if (c >= ' ' && c < 0x7f && c != '\\')
			buf_add_char(out, (char)c);
		else
			buf_printf(out, "\\x%02X", c);
	}
}

str head_fault_text(struct arena *a, const struct head_fault *f)
{
	struct buf out = {0};
	str text;

	if (!f->rule)
		return STR_EMPTY;
	buf_add(&out, str_of(f->rule));
	if (f->byte >= 0)
		buf_printf(&out, ", byte 0x%02X", (unsigned)f->byte);
	if (f->where.n) {
		buf_add(&out, STR(": "));
		add_plain(&out, str_slice(f->where, 0, WHERE_MAX));
		if (f->where.n > WHERE_MAX)
			buf_add(&out, STR("..."));
	}
	text = arena_dup(a, buf_str(&out));
	buf_done(&out);
	return text;
}
