/* response.c - splits a head of HTTP/1.1 into fields for nghttp2. */
/* SPDX-License-Identifier: MIT */
#include "h2/response.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "http/header.h"

#define STATUS_AT 9 /* in "HTTP/1.1 200 OK" */
#define FEW	  32

static void push_field(struct h2_fields *f, str name, str value)
{
	if (f->count == f->cap) {
		f->cap = MAX(f->cap * 2, (size_t)FEW);
		f->items = xrealloc(f->items, f->cap * sizeof(*f->items));
	}
	f->items[f->count++] = (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name.p,
		.namelen = name.n,
		.value = (uint8_t *)(uintptr_t)value.p,
		.valuelen = value.n,
	};
}

static bool goes(str name, bool is_switch)
{
	enum header_id id = header_lookup(name);

	return header_is_hop(id) ||
	       (is_switch && (id == HEADER_CONTENT_LENGTH || id == HEADER_SEC_WEBSOCKET_ACCEPT));
}

static void add_lines(struct h2_fields *f, str lines, bool is_switch)
{
	const char *at = lines.p, *end = lines.p + lines.n;

	while (at < end && *at != '\r') {
		const char *line_end = memchr(at, '\r', (size_t)(end - at));
		const char *colon = memchr(at, ':', (size_t)(line_end - at));
		str name = {at, (size_t)(colon - at)};

		if (!goes(name, is_switch))
			push_field(f, name,
				str_trim((str){colon + 1, (size_t)(line_end - colon - 1)}));
		at = line_end + 2;
	}
}

static str status_digits(str head)
{
	return str_slice(head, STATUS_AT, STATUS_AT + 3);
}

bool h2_head_is_switch(str head)
{
	return str_eq(status_digits(head), STR("101"));
}

unsigned h2_fields_of_head(struct h2_fields *f, str head)
{
	bool is_switch = h2_head_is_switch(head);
	str status = is_switch ? STR("200") : status_digits(head);
	size_t line = (size_t)str_find_char(head, '\n') + 1;

	f->count = 0;
	push_field(f, STR(":status"), status);
	add_lines(f, str_slice(head, line, head.n), is_switch);
	return (unsigned)((status.p[0] - '0') * 100 + (status.p[1] - '0') * 10 + status.p[2] - '0');
}

void h2_fields_of_trailers(struct h2_fields *f, str lines)
{
	f->count = 0;
	add_lines(f, lines, false);
}

void h2_fields_done(struct h2_fields *f)
{
	free(f->items);
	*f = (struct h2_fields){0};
}
