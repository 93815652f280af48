/* own_answer.c - what all answers that we make ourselves have in common. */
/* SPDX-License-Identifier: MIT */
#include "proxy/own_answer.h"

#include "base/number.h"
#include "http/status.h"
#include "proxy/lines.h"

/* The length is known last: room is left for so many digits, and what is too much is taken away
 * again. */
#define LENGTH_DIGITS 10
#define HEAD_END      STR("\r\n\r\n")

void own_answer_begin(struct buf *out, const struct own_answer *a)
{
	buf_add(out, STR("HTTP/1.1 "));
	buf_add_number(out, a->status);
	add_line(out, STR(" "), status_reason(a->status));
	if (a->date.n)
		add_line(out, STR("Date: "), a->date);
	if (!a->keep_alive)
		buf_add(out, STR("Connection: close\r\n"));
	else if (a->minor == 0)
		buf_add(out, STR("Connection: keep-alive\r\n"));
	buf_add(out, STR("Cache-Control: no-store\r\n"));
}

void own_answer_body(struct buf *out, size_t *ret_body)
{
	buf_add(out, STR("Content-Length: 0123456789"));
	buf_add(out, HEAD_END);
	*ret_body = buf_len(out);
}

void own_answer_end(struct buf *out, const struct own_answer *a, size_t body)
{
	char *p = out->p + out->start + body, *digits = p - HEAD_END.n - LENGTH_DIGITS;
	size_t size = buf_len(out) - body, n = number_write(digits, size);

	if (a->is_head)
		out->end -= size;
	memmove(digits + n, p - HEAD_END.n, (size_t)(out->p + out->end - p) + HEAD_END.n);
	out->end -= LENGTH_DIGITS - n;
}

void own_answer_empty(struct buf *out)
{
	buf_add(out, STR("Content-Length: 0\r\n\r\n"));
}
