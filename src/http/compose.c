/* compose.c - copies names and values into one piece of memory. */
/* SPDX-License-Identifier: MIT */
#include "http/compose.h"

#include "http/status.h"

#define LINE_EXTRA 4 /* ": " and CRLF */

void compose_begin(struct compose *c, struct arena *a, size_t max_fields, size_t max_bytes)
{
	size_t size = max_bytes + max_fields * LINE_EXTRA;

	c->headers = arena_alloc(a, max_fields * sizeof(*c->headers));
	c->n = 0;
	c->max = max_fields;
	c->at = arena_alloc(a, size);
	c->end = c->at + size;
}

static inline str put_text(struct compose *c, str s)
{
	char *at = c->at;

	memcpy(at, s.p, s.n);
	c->at += s.n;
	return (str){at, s.n};
}

static inline void put_line(struct compose *c, enum header_id id, str name, str value)
{
	struct header *h = &c->headers[c->n];

	assert(c->n < c->max);
	assert((size_t)(c->end - c->at) >= name.n + value.n + LINE_EXTRA);
	c->n++;
	*h = (struct header){.id = id};
	h->name = put_text(c, name);
	put_text(c, STR(": "));
	h->value = put_text(c, value);
	put_text(c, STR("\r\n"));
}

void compose_add(struct compose *c, enum header_id id, str value)
{
	put_line(c, id, header_name(id), value);
}

void compose_copy(struct compose *c, const struct header *h)
{
	put_line(c, h->id, h->name, h->value);
}

void compose_head(const struct compose *c, unsigned status, struct response_head *ret)
{
	assert(status >= 200 && status <= 599);
	*ret = (struct response_head){
		.status = status,
		.minor = 1,
		.reason = status_reason(status),
		.headers = c->headers,
		.nheaders = c->n,
		.body = BODY_LENGTH,
		.has_content_length = true,
		.keep_alive = true,
	};
}
