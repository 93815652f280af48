/* head.c - what request and response heads have in common: their end, their version, their
 * fields. */
/* SPDX-License-Identifier: MIT */
#include "http/head.h"

#include "base/number.h"
#include "http/field.h"
#include "http/http_int.h"

/* Options of Connection that name unknown fields; each is looked for among all fields. */
#define MAX_UNKNOWN_OPTIONS 16u

/* The line that contains the byte at `at`. */
static str line_around(str bytes, size_t at)
{
	size_t start = at, end = at;

	while (start > 0 && bytes.p[start - 1] != '\n')
		start--;
	while (end < bytes.n && bytes.p[end] != '\n')
		end++;
	return str_slice(bytes, start, end);
}

enum parse head_find_end(str bytes, size_t start, size_t max, size_t *scanned, size_t *ret_end,
	unsigned *ret_status, struct head_fault *ret_fault)
{
	const char *p = bytes.p, *end = p + MIN(bytes.n, max);
	const char *at = p + MIN(MAX(start, *scanned), (size_t)(end - p));

	for (;; at += 2) {
		at = find_control(at, end);
		if (end - at < 2 && (at == end || *at == '\r'))
			break;
		if (at[0] != '\r' || at[1] != '\n')
			goto bad;
		/* Whether the next line is empty must be known before this one is left behind. */
		if (end - at == 2 || (end - at == 3 && at[2] == '\r'))
			break;
		if (at[2] == '\r') {
			if (at[3] != '\n')
				goto bad;
			*ret_end = (size_t)(at + 4 - p);
			return PARSE_OK;
		}
	}
	if (bytes.n >= max) {
		*ret_status = head_refuse(
			ret_fault, 431, "the head is longer than max_header_bytes", STR_EMPTY);
		return PARSE_BAD;
	}
	assert(*scanned <= bytes.n); /* of the same bytes, or of fewer */
	*scanned = (size_t)(at - p);
	return PARSE_MORE;
bad:
	*ret_status = head_refuse(ret_fault, 400,
		"RFC 9112 2.2, RFC 9110 5.5: a control that is not part of the end of a line",
		line_around(bytes, (size_t)(at - p)));
	ret_fault->byte = (uint8_t)*at;
	return PARSE_BAD;
}

unsigned head_version(str text, unsigned *ret_minor)
{
	if (text.n != 8 || memcmp(text.p, "HTTP/", 5) != 0 || !char_is(text.p[5], CHAR_DIGIT) ||
		text.p[6] != '.' || !char_is(text.p[7], CHAR_DIGIT))
		return 400;
	if (text.p[5] != '1' || text.p[7] > '1')
		return 505;
	*ret_minor = (unsigned)(text.p[7] - '0');
	return 0;
}

/* RFC 9112 5.1: of a response the blanks before the colon are taken away, of a request never. */
static str name_before(const struct fields *f, const char *at, const char *colon)
{
	if (f->is_mended)
		while (colon > at && char_is_blank(colon[-1]))
			colon--;
	return (str){at, (size_t)(colon - at)};
}

static unsigned refuse_line(struct fields *f, const char *at, const char *colon, const char *end)
{
	str line = {at, (size_t)(find_control(at, end) - at)};
	const char *rule = "RFC 9112 5, 5.1: the name of a field is not a token";

	if (char_is_blank(*at))
		rule = "RFC 9112 5.2: a folded line";
	else if (colon >= line.p + line.n)
		rule = "RFC 9112 5: a line without a colon";
	return head_refuse(&f->fault, 400, rule, line);
}

unsigned fields_parse(struct fields *f, const char *at, const char *end)
{
	/* head_find_end has made sure of that; so no search for the end of a line runs further. */
	assert(at >= end || (end[-2] == '\r' && end[-1] == '\n'));
	while (at < end) {
		const char *colon = find_near(at, end, ':'), *value, *line_end;
		str name = name_before(f, at, colon);
		enum header_id id = header_lookup(name);
		struct header *h;

		/* Also catches obs-fold (a blank at the start), a blank before the colon, and a
		 * line without a colon, whose CRLF ends up in the name.  The names that we know are
		 * tokens. */
		if (id == HEADER_OTHER && !field_is_token(name))
			return refuse_line(f, at, colon, end);
		if (f->n == f->max)
			return head_refuse(
				&f->fault, 431, "there are more lines than max_headers", name);
		for (value = colon + 1; char_is_blank(*value);)
			value++;
		line_end = find_control(value, end);
		at = line_end + 2;
		while (line_end > value && char_is_blank(line_end[-1]))
			line_end--;
		h = &f->headers[f->n++];
		*h = (struct header){name, {value, (size_t)(line_end - value)}, id,
			header_is_hop(id), name.p + name.n < colon};
		if (id == HEADER_OTHER || id > HEADER_LAST_SPECIAL)
			continue;
		if (f->special[id])
			f->repeated |= 1u << id;
		else
			f->special[id] = h;
	}
	return 0;
}

static void mark_hop(struct fields *f, str name)
{
	for (struct header *h = f->headers; h < f->headers + f->n; h++)
		if (h->id == HEADER_OTHER && str_eq_nocase(h->name, name))
			h->is_hop = true;
}

/* One element of Connection. */
static unsigned apply_option(struct fields *f, str option, unsigned *unknown)
{
	enum header_id id = header_lookup(option);

	if (!field_is_token(option))
		return head_refuse(&f->fault, 400,
			"RFC 9110 7.6.1: an option of Connection is not a token", option);
	if (id == HEADER_KEEP_ALIVE) {
		f->has_keep_alive = true;
	} else if (id == HEADER_UPGRADE) {
		f->has_upgrade = true;
	} else if (id == HEADER_OTHER && str_eq_nocase(option, STR("close"))) {
		f->has_close = true;
	} else if (id == HEADER_OTHER) {
		if (++*unknown > MAX_UNKNOWN_OPTIONS)
			return head_refuse(
				&f->fault, 400, "Connection names too many fields", option);
		mark_hop(f, option);
	} else if (!header_is_hop(id) || id == HEADER_TRANSFER_ENCODING) {
		/* Meant to make one of us drop what the other one counts on. */
		return head_refuse(&f->fault, 400,
			"RFC 9110 7.6.1: Connection names a field that goes end to end", option);
	}
	return 0;
}

unsigned fields_apply_connection(struct fields *f)
{
	unsigned unknown = 0;

	for (const struct header *h = f->special[HEADER_CONNECTION]; h;
		h = header_find_next(f->headers, f->n, HEADER_CONNECTION, h)) {
		str rest = h->value, option;

		while (field_next(&rest, &option)) {
			unsigned status = apply_option(f, option, &unknown);

			if (status)
				return status;
		}
	}
	return 0;
}

/* RFC 9112 6.1, 6.3: chunked must be there, once, and last; other codings we do not have. */
static unsigned check_codings(str list)
{
	bool was_chunked = false, has_other = false;
	ssize_t comma;

	do {
		str coding;

		comma = str_find_char(list, ',');
		coding = str_trim(str_slice(list, 0, (size_t)comma));
		list = str_slice(list, (size_t)comma + 1, list.n);
		if (was_chunked || !field_is_token(coding))
			return 400;
		if (str_eq_nocase(coding, STR("chunked")))
			was_chunked = true;
		else
			has_other = true;
	} while (comma >= 0);
	return has_other ? 501 : 0;
}

/* RFC 9110 8.6: a length that is repeated, on another line or in a list, is one length if they are
 * all the same.  Leaves one. */
static bool merge_lengths(struct fields *f)
{
	str first = STR_EMPTY, length;

	if (!fields_repeats(f, HEADER_CONTENT_LENGTH) &&
		str_find_char(f->special[HEADER_CONTENT_LENGTH]->value, ',') < 0)
		return true; /* as it nearly always is */
	for (struct header *h = f->headers; h < f->headers + f->n; h++) {
		str rest = h->value;

		if (h->id != HEADER_CONTENT_LENGTH)
			continue;
		h->is_hop = first.n;
		while (field_next(&rest, &length)) {
			first = first.n ? first : length;
			if (!str_eq(length, first))
				return false;
		}
		h->is_mended |= h->value.n != first.n;
		h->value = first;
	}
	f->repeated &= ~(1u << HEADER_CONTENT_LENGTH);
	return true;
}

unsigned fields_framing(struct fields *f, unsigned minor, bool *ret_chunked, uint64_t *ret_length)
{
	const struct header *coding = f->special[HEADER_TRANSFER_ENCODING];
	const struct header *length = f->special[HEADER_CONTENT_LENGTH];
	uint64_t n = 0;

	if (length &&
		((f->is_mended && !merge_lengths(f)) || fields_repeats(f, HEADER_CONTENT_LENGTH)))
		return head_refuse(&f->fault, 400, "RFC 9112 6.3: more than one Content-Length",
			length->value);
	if (coding && fields_repeats(f, HEADER_TRANSFER_ENCODING))
		return head_refuse(&f->fault, 400, "RFC 9112 6.1: more than one Transfer-Encoding",
			coding->value);
	if (coding) {
		unsigned status = check_codings(coding->value);

		/* RFC 9112 6.1: either is a sign of request smuggling. */
		if (length || minor == 0)
			return head_refuse(&f->fault, 400,
				length ? "RFC 9112 6.1: Transfer-Encoding and Content-Length"
				       : "RFC 9112 6.1: Transfer-Encoding in HTTP/1.0",
				coding->value);
		if (status)
			return head_refuse(&f->fault, status,
				"RFC 9112 6.1: a transfer coding other than one chunked",
				coding->value);
	}
	if (length && number_parse(length->value, INT64_MAX, &n) < 0)
		return head_refuse(&f->fault, 400, "RFC 9110 8.6: Content-Length is not a number",
			length->value);
	*ret_chunked = coding;
	*ret_length = n;
	return 0;
}
