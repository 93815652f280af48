/* fuzz_head.h - what must hold for the fields of every head that was accepted. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "fuzz.h"

#include "base/arena.h"
#include "base/buf.h"
#include "http/field.h"
#include "http/head.h"

#define FUZZ_HEADERS 24
#define FUZZ_LIMITS  ((struct head_limits){.max_bytes = 1024, .max_headers = 20, .max_target = 256})

static inline void check_text(str s)
{
	for (size_t i = 0; i < s.n; i++)
		assert(s.p[i] == '\t' || (s.p[i] != 0x7f && (uint8_t)s.p[i] >= ' '));
}

static inline size_t count_headers(const struct header *headers, size_t n, enum header_id id)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += headers[i].id == id && (id != HEADER_CONTENT_LENGTH || !headers[i].is_hop);
	return count;
}

static inline void check_headers(const struct header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert(field_is_token(headers[i].name));
		check_text(headers[i].value);
		assert(str_eq(str_trim(headers[i].value), headers[i].value));
		assert(headers[i].id == header_lookup(headers[i].name));
		assert(headers[i].is_hop || !header_is_hop(headers[i].id));
	}
	assert(count_headers(headers, n, HEADER_CONTENT_LENGTH) +
			count_headers(headers, n, HEADER_TRANSFER_ENCODING) <=
		1);
}

static inline void check_same_headers(
	const struct header *a, size_t na, const struct header *b, size_t nb)
{
	assert(na == nb);
	for (size_t i = 0; i < na; i++) {
		assert(str_eq(a[i].name, b[i].name) && str_eq(a[i].value, b[i].value));
		assert(a[i].id == b[i].id && a[i].is_hop == b[i].is_hop);
	}
}

/* It is told why. */
static inline void check_fault(const struct head_fault *f)
{
	struct arena a = {0};
	str text = head_fault_text(&a, f);

	assert(text.n);
	for (size_t i = 0; i < text.n; i++)
		assert(text.p[i] >= ' ' && text.p[i] < 0x7f);
	arena_done(&a);
}

static inline void write_headers(struct buf *b, const struct header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_add(b, headers[i].name);
		buf_add(b, STR(":"));
		buf_add(b, headers[i].value);
		buf_add(b, STR("\r\n"));
	}
	buf_add(b, STR("\r\n"));
}
