/* request_copy.c - a request's head, kept when the bytes that it came in are gone. */
/* SPDX-License-Identifier: MIT */
#include "proxy/request_copy.h"

/* The field lines as they came, with the end of the last one. */
static str lines_of(const struct header *headers, size_t n)
{
	const struct header *last = &headers[n - 1];
	const char *end = last->value.p + last->value.n;

	while (*end != '\n')
		end++;
	return (str){headers->name.p, (size_t)(end + 1 - headers->name.p)};
}

static struct header *copy_fields(struct arena *a, const struct header *headers, size_t n)
{
	struct header *copy = arena_alloc(a, n * sizeof(*copy));
	str from, to;

	if (!n)
		return copy;
	from = lines_of(headers, n);
	to = arena_dup(a, from);
	for (size_t i = 0; i < n; i++) {
		copy[i] = headers[i];
		copy[i].name.p = to.p + (headers[i].name.p - from.p);
		copy[i].value.p = to.p + (headers[i].value.p - from.p);
	}
	return copy;
}

struct request_head *request_copy(struct arena *a, const struct request_head *head)
{
	struct request_head *copy = arena_alloc(a, sizeof(*copy));

	*copy = *head;
	copy->method_text = arena_dup(a, head->method_text);
	copy->target = arena_dup(a, head->target);
	copy->path = arena_dup(a, head->path);
	copy->query = arena_dup(a, head->query);
	copy->host = arena_dup(a, head->host);
	copy->upgrade = arena_dup(a, head->upgrade);
	copy->headers = copy_fields(a, head->headers, head->nheaders);
	return copy;
}
