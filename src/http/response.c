/* response.c - response heads (RFC 9112 4, 6.3). */
/* SPDX-License-Identifier: MIT */
#include "http/head.h"

#include "http/http_int.h"

/* "HTTP/1.1 200 OK"; the blank before an empty phrase may be missing, as it is with many
 * servers. */
static bool parse_line(struct response_head *h, str line)
{
	if (line.n < 12 || head_version(str_slice(line, 0, 8), &h->minor) || line.p[8] != ' ')
		return false;
	for (size_t i = 9; i < 12; i++) {
		if (!char_is(line.p[i], CHAR_DIGIT))
			return false;
		h->status = h->status * 10 + (unsigned)(line.p[i] - '0');
	}
	if (line.n > 12 && line.p[12] != ' ')
		return false;
	h->reason = str_slice(line, 13, line.n);
	return h->status >= 100 && h->status <= 599;
}

static bool apply_upgrade(struct response_head *h, const struct fields *f)
{
	const struct header *upgrade = f->special[HEADER_UPGRADE];

	if (!upgrade || !upgrade->value.n || !f->has_upgrade)
		return false;
	h->has_upgrade = true;
	h->upgrade = upgrade->value;
	return true;
}

static void drop_length(struct fields *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->headers[i].id == HEADER_CONTENT_LENGTH)
			f->headers[i].is_hop = true;
}

/* RFC 9112 6.3; the cases in which nobody can know what was meant are refused. */
static bool apply_framing(struct response_head *h, struct fields *f, enum method request_method)
{
	bool is_chunked, is_tunnel = request_method == METHOD_CONNECT && h->status / 100 == 2;

	if (fields_framing(f, h->minor, &is_chunked, &h->content_length))
		return false;
	h->has_content_length = fields_has(f, HEADER_CONTENT_LENGTH);
	if (h->status == 204) {
		/* RFC 9112 6.3: it ends with its head, whatever it says.  Nothing that follows
		 * would be anybody's answer. */
		h->is_mended = is_chunked || h->content_length;
		h->content_length = 0;
		drop_length(f);
	} else if (h->status < 200 || is_tunnel) {
		if (is_chunked || h->content_length) {
			head_refuse(&f->fault, 502,
				"RFC 9110 8.6, RFC 9112 6.1: an answer without content has framing",
				STR_EMPTY);
			return false;
		}
		drop_length(f);
	} else if (request_method == METHOD_HEAD || h->status == 304) {
		h->body = BODY_NONE;
	} else if (is_chunked) {
		h->body = BODY_CHUNKED;
	} else if (h->has_content_length) {
		h->body = BODY_LENGTH;
	} else {
		h->body = BODY_UNTIL_CLOSE;
	}
	return true;
}

static bool parse_head(struct response_head *h, struct fields *f, const char *p, const char *end,
	enum method request_method)
{
	const char *line_end = find_control(p, end);

	if (!parse_line(h, (str){p, (size_t)(line_end - p)})) {
		head_refuse(&f->fault, 502,
			"RFC 9112 4, RFC 9110 15: not a status line with a status of 100 to 599",
			(str){p, (size_t)(line_end - p)});
		return false;
	}
	/* The last two bytes are the empty line. */
	if (fields_parse(f, line_end + 2, end - 2) || fields_apply_connection(f))
		return false;
	if (!apply_framing(h, f, request_method))
		return false;
	h->keep_alive = !h->is_mended && !f->has_close && (h->minor == 1 || f->has_keep_alive) &&
			h->body != BODY_UNTIL_CLOSE && h->status != 101;
	if (h->status >= 200 || (h->minor == 1 && (h->status != 101 || apply_upgrade(h, f))))
		return true;
	head_refuse(&f->fault, 502,
		"RFC 9110 15.2: an interim answer in HTTP/1.0, or 101 without an Upgrade",
		STR_EMPTY);
	return false;
}

static str line_of(str bytes)
{
	return str_slice(bytes, 0, (size_t)str_find_char(bytes, '\n'));
}

enum parse response_head_parse(struct response_head *h, struct header *store, size_t nstore,
	str bytes, size_t *scanned, const struct head_limits *limits, enum method request_method,
	size_t *ret_used, unsigned *ret_status)
{
	struct fields f = {
		.headers = store, .max = MIN(nstore, limits->max_headers), .is_mended = true};
	struct response_head head = {.reason = STR_EMPTY, .upgrade = STR_EMPTY};
	enum parse found = PARSE_BAD;
	unsigned status;
	size_t end;

	if (!bytes.n)
		return PARSE_MORE;
	/* The first byte shows whether the other end speaks HTTP. */
	if (bytes.p[0] != 'H')
		head_refuse(&f.fault, 502, "RFC 9112 4: not a status line", line_of(bytes));
	else
		found = head_find_end(
			bytes, 0, limits->max_bytes, scanned, &end, &status, &f.fault);
	if (found == PARSE_OK && !parse_head(&head, &f, bytes.p, bytes.p + end, request_method))
		found = PARSE_BAD;
	if (found == PARSE_BAD) {
		*ret_status = 502;
		h->fault = f.fault;
	}
	if (found != PARSE_OK)
		return found;
	assert(end <= bytes.n);
	head.headers = store;
	head.nheaders = f.n;
	*h = head;
	*scanned = 0;
	*ret_used = end;
	return PARSE_OK;
}
