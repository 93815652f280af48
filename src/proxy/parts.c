/* parts.c - the heads of 206 and 416, and the separators of several parts. */
/* SPDX-License-Identifier: MIT */
#include "proxy/parts.h"

#include "base/hash.h"
#include "base/number.h"
#include "http/status.h"
#include "proxy/worker.h"

#define BOUNDARY_SIZE 16

static struct segment slice(const struct segment *whole, const struct range *r)
{
	struct segment s = *whole;

	s.text = str_slice(whole->text, r->offset, r->offset + r->length);
	s.offset += r->offset;
	s.length = r->length;
	return s;
}

static void add_content_range(struct buf *out, const struct range *r, uint64_t size)
{
	buf_add(out, STR("Content-Range: bytes "));
	buf_add_number(out, r->offset);
	buf_add_char(out, '-');
	buf_add_number(out, r->offset + r->length - 1);
	buf_add_char(out, '/');
	buf_add_number(out, size);
	buf_add(out, STR("\r\n"));
}

/* Must not be guessed by the author of the content. */
static str make_boundary(struct exchange *x)
{
	char *text = arena_alloc(&x->arena, BOUNDARY_SIZE);
	uint64_t moment = clock_usec();

	moment = hash_bytes((str){(const char *)&moment, sizeof(moment)});
	return (str){text, number_write_hex(text, moment)};
}

/* Of the text that was made in the scratch. */
static struct segment text_segment(struct exchange *x)
{
	struct scratch *text = &x->worker->scratch.head_out;

	scratch_return(text);
	return (struct segment){.text = arena_dup(&x->arena, buf_str(&text->text)), .fd = -1};
}

/* What goes before a part; type may be empty. */
static struct segment part_head(
	struct exchange *x, str boundary, str type, const struct range *r, uint64_t size)
{
	struct buf *text = scratch_lend(&x->worker->scratch.head_out);

	buf_add(text, STR("\r\n--"));
	buf_add(text, boundary);
	buf_add(text, STR("\r\n"));
	if (type.n) {
		buf_add(text, STR("Content-Type: "));
		buf_add(text, type);
		buf_add(text, STR("\r\n"));
	}
	add_content_range(text, r, size);
	buf_add(text, STR("\r\n"));
	return text_segment(x);
}

static struct segment last_line(struct exchange *x, str boundary)
{
	struct buf *text = scratch_lend(&x->worker->scratch.head_out);

	buf_add(text, STR("\r\n--"));
	buf_add(text, boundary);
	buf_add(text, STR("--\r\n"));
	return text_segment(x);
}

struct segment *parts_make(struct exchange *x, struct response_head *h, const struct segment *whole,
	const struct range *parts, size_t n, size_t *ret_nsegments)
{
	struct segment *segments = arena_alloc(&x->arena, (2 * n + 1) * sizeof(*segments));
	str type = header_value(h->headers, h->nheaders, HEADER_CONTENT_TYPE), boundary;
	uint64_t size = segment_length(whole);

	h->status = 206;
	h->reason = status_reason(206);
	if (n == 1) {
		add_content_range(&x->worker->scratch.added, parts, size);
		segments[0] = slice(whole, parts);
		*ret_nsegments = 1;
		return segments;
	}
	boundary = make_boundary(x);
	stages_drop(h, HEADER_CONTENT_TYPE);
	buf_add(&x->worker->scratch.added, STR("Content-Type: multipart/byteranges; boundary="));
	buf_add(&x->worker->scratch.added, boundary);
	buf_add(&x->worker->scratch.added, STR("\r\n"));
	for (size_t i = 0; i < n; i++) {
		segments[2 * i] = part_head(x, boundary, type, &parts[i], size);
		segments[2 * i + 1] = slice(whole, &parts[i]);
	}
	segments[2 * n] = last_line(x, boundary);
	*ret_nsegments = 2 * n + 1;
	return segments;
}

void parts_refuse(struct exchange *x, struct response_head *h, uint64_t size)
{
	struct buf *added = &x->worker->scratch.added;

	h->status = 416;
	h->reason = status_reason(416);
	stages_drop(h, HEADER_CONTENT_TYPE);
	stages_drop(h, HEADER_CONTENT_ENCODING);
	stages_drop(h, HEADER_CACHE_CONTROL);
	stages_drop(h, HEADER_ETAG);
	stages_drop(h, HEADER_LAST_MODIFIED);
	buf_add(added, STR("Content-Range: bytes */"));
	buf_add_number(added, size);
	buf_add(added, STR("\r\n"));
}
