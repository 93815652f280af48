/* request.c - request heads (RFC 9112 3). */
/* SPDX-License-Identifier: MIT */
#include "http/head.h"

#include "http/http_int.h"
#include "http/uri.h"

/* Splits "METHOD target version". */
static unsigned parse_line(
	struct request_head *h, struct head_fault *fault, str line, size_t max_target)
{
	const char *at = line.p, *end = line.p + line.n;
	const char *target;
	unsigned status;

	while (at < end && char_is(*at, CHAR_TOKEN))
		at++;
	if (at == line.p || at == end || *at != ' ')
		return head_refuse(fault, 400, "RFC 9112 3: the method is not a token", line);
	h->method_text = (str){line.p, (size_t)(at - line.p)};
	h->method = method_lookup(h->method_text);
	target = ++at;
	at = memchr(at, ' ', (size_t)(end - at));
	if (!at || at == target)
		return head_refuse(fault, 400, "RFC 9112 3: not METHOD target version", line);
	h->target = (str){target, (size_t)(at - target)};
	if (h->target.n > max_target)
		return head_refuse(fault, 414, "the target is too long", h->target);
	status = head_version((str){at + 1, (size_t)(end - at - 1)}, &h->minor);
	return status ? head_refuse(
				fault, status, "RFC 9112 2.3, 3: not a version that we speak", line)
		      : 0;
}

/* Of the first byte that no target may hold, if there is one. */
static void blame_target(struct head_fault *fault, str target)
{
	head_refuse(fault, 400, "RFC 9112 3.2: the target has none of the four forms", target);
	for (size_t i = 0; i < target.n; i++) {
		if (char_is(target.p[i], CHAR_PATH) || target.p[i] == '?')
			continue;
		head_refuse(fault, 400,
			"RFC 3986 2: a byte of the address that must be escaped with %", target);
		fault->byte = (uint8_t)target.p[i];
		return;
	}
}

/* Path and query of the rest of a target; false if it contains something that is not allowed. */
static bool split_path(struct request_head *h, str rest)
{
	const char *at = rest.p, *end = rest.p + rest.n;

	while (at < end && char_is(*at, CHAR_PATH))
		at++;
	h->path = (str){rest.p, (size_t)(at - rest.p)};
	if (at == end)
		return true;
	if (*at != '?')
		return false;
	h->has_query = true;
	h->query = (str){at + 1, (size_t)(end - at - 1)};
	for (at++; at < end; at++)
		if (!char_is(*at, CHAR_PATH) && *at != '?')
			return false;
	return true;
}

/* "http://host/path?query" (RFC 9112 3.2.2). */
static bool parse_absolute(struct request_head *h)
{
	str rest = h->target;
	size_t n = 0;

	if (str_starts_nocase(rest, STR("http://")))
		rest = str_slice(rest, 7, rest.n);
	else if (str_starts_nocase(rest, STR("https://")))
		rest = str_slice(rest, 8, rest.n);
	else
		return false;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	h->host = str_slice(rest, 0, n);
	if (!uri_host_is_valid(h->host) || !split_path(h, str_slice(rest, n, rest.n)))
		return false;
	/* RFC 9112 3.2.4: without path and query, OPTIONS means the server. */
	if (!h->path.n)
		h->path = h->method == METHOD_OPTIONS && !h->has_query ? STR("*") : STR("/");
	return true;
}

/* The four forms of RFC 9112 3.2. */
static bool parse_target(struct request_head *h)
{
	unsigned port;
	str name;

	if (h->method == METHOD_CONNECT) {
		if (!uri_host_is_valid(h->target))
			return false;
		h->host = h->target;
		uri_host_split(h->host, &name, &port);
		return port;
	}
	if (h->target.p[0] == '/')
		return split_path(h, h->target);
	if (str_eq(h->target, STR("*"))) {
		h->path = h->target;
		return h->method == METHOD_OPTIONS;
	}
	return parse_absolute(h);
}

/* RFC 9112 3.2: exactly one Host, the same as the target's authority if that has one. */
static bool apply_host(struct request_head *h, const struct fields *f)
{
	const struct header *host = f->special[HEADER_HOST];

	if (!host)
		return h->minor == 0;
	if (fields_repeats(f, HEADER_HOST) || !uri_host_is_valid(host->value))
		return false;
	if (h->host.n && !str_eq_nocase(h->host, host->value))
		return false;
	h->host = host->value;
	return true;
}

static unsigned apply_expect(struct request_head *h, struct fields *f)
{
	const struct header *expect = f->special[HEADER_EXPECT];

	/* RFC 9110 10.1.1: an expectation of HTTP/1.0 is ignored. */
	if (!expect || h->minor == 0)
		return 0;
	for (; expect; expect = header_find_next(f->headers, f->n, HEADER_EXPECT, expect))
		if (!str_eq_nocase(expect->value, STR("100-continue")))
			return head_refuse(&f->fault, 417,
				"RFC 9110 10.1.1: an expectation that we do not know",
				expect->value);
	h->expects_continue = h->body == BODY_CHUNKED || h->content_length > 0;
	return 0;
}

static unsigned apply_fields(struct request_head *h, struct fields *f)
{
	const struct header *upgrade = f->special[HEADER_UPGRADE];
	bool is_chunked;
	unsigned status = fields_apply_connection(f);

	if (status)
		return status;
	status = fields_framing(f, h->minor, &is_chunked, &h->content_length);
	if (status)
		return status;
	if (!apply_host(h, f))
		return head_refuse(&f->fault, 400,
			"RFC 9112 3.2: Host must be there once, be one, and be that of the target",
			fields_has(f, HEADER_HOST) ? f->special[HEADER_HOST]->value : STR_EMPTY);
	if (is_chunked)
		h->body = BODY_CHUNKED;
	else if (fields_has(f, HEADER_CONTENT_LENGTH))
		h->body = BODY_LENGTH;
	h->keep_alive = !f->has_close && (h->minor == 1 || f->has_keep_alive);
	if (upgrade && f->has_upgrade && h->minor == 1 && upgrade->value.n) {
		h->has_upgrade = true;
		h->upgrade = upgrade->value;
	}
	for (struct header *field = f->headers; field < f->headers + f->n; field++)
		if (field->id == HEADER_OTHER && header_is_alias(field->name))
			field->is_hop = true;
	return apply_expect(h, f);
}

static unsigned parse_head(
	struct request_head *h, struct fields *f, const char *p, const char *end, size_t max_target)
{
	const char *line_end = find_control(p, end);
	unsigned status = parse_line(h, &f->fault, (str){p, (size_t)(line_end - p)}, max_target);

	if (status)
		return status;
	if (!parse_target(h)) {
		blame_target(&f->fault, h->target);
		return 400;
	}
	/* The last two bytes are the empty line. */
	status = fields_parse(f, line_end + 2, end - 2);
	return status ? status : apply_fields(h, f);
}

/* RFC 9112 2.2: one empty line before a request line is tolerated, since old clients put it after a
 * body.  OK: *ret_start is where the request line begins. */
static enum parse find_start(str bytes, size_t *ret_start)
{
	size_t start = 0;

	if (bytes.n && bytes.p[0] == '\r') {
		if (bytes.n > 1 && bytes.p[1] != '\n')
			return PARSE_BAD;
		start = 2;
	}
	if (bytes.n <= start)
		return PARSE_MORE;
	*ret_start = start;
	/* A client that speaks TLS or something else learns it at once. */
	return char_is(bytes.p[start], CHAR_TOKEN) ? PARSE_OK : PARSE_BAD;
}

enum parse request_head_parse(struct request_head *h, struct header *store, size_t nstore,
	str bytes, size_t *scanned, const struct head_limits *limits, size_t *ret_used,
	unsigned *ret_status)
{
	struct fields f = {.headers = store, .max = MIN(nstore, limits->max_headers)};
	struct request_head head = {
		.query = STR_EMPTY, .host = STR_EMPTY, .upgrade = STR_EMPTY, .path = STR_EMPTY};
	size_t start, end;
	unsigned status = 400;
	enum parse found = find_start(bytes, &start);

	if (found == PARSE_BAD)
		head_refuse(&f.fault, 400, "RFC 9112 3: what came is not HTTP/1",
			str_slice(bytes, 0, 16));
	if (found == PARSE_OK)
		found = head_find_end(
			bytes, start, limits->max_bytes, scanned, &end, &status, &f.fault);
	if (found == PARSE_OK) {
		status = parse_head(&head, &f, bytes.p + start, bytes.p + end, limits->max_target);
		if (status)
			found = PARSE_BAD;
	} else if (found == PARSE_BAD && status == 431 &&
		   str_find_char(str_slice(bytes, start, limits->max_bytes), '\n') < 0) {
		status = 414; /* all of it is the request line */
	}
	if (found == PARSE_BAD) {
		*ret_status = status;
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

/* --- a head that outlives the bytes it came in --- */

/* The field lines as they came, including the end of the last one. */
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

struct request_head *request_head_copy(struct arena *a, const struct request_head *head)
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
