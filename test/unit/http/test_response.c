/* test_response.c - response heads. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include "base/alloc.h"
#include "base/buf.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define CL "Content-Length: 5\r\n"
#define TE "Transfer-Encoding: chunked\r\n"

struct response {
	struct response_head head;
	struct header store[TEST_HEADERS];
	struct head_limits limits;
	enum method method;
};

static struct verdict parse_once(void *arg, str bytes, size_t *scanned)
{
	struct response *r = arg;
	struct verdict v = {0};

	v.parse = response_head_parse(&r->head, r->store, TEST_HEADERS, bytes, scanned, &r->limits,
		r->method, &v.used, &v.status);
	return v;
}

static struct verdict parse_response(struct response *r, str bytes)
{
	if (!r->limits.max_bytes)
		r->limits = HEAD_LIMITS_DEFAULT;
	return parse_both_ways(parse_once, r, bytes);
}

static const struct response_head *expect_response(
	struct response *r, enum method method, const char *bytes)
{
	struct verdict v;

	r->method = method;
	v = parse_response(r, str_of(bytes));
	if (v.parse != PARSE_OK)
		fail_msg("refused: %s", bytes);
	assert_int_equal(v.used, strlen(bytes));
	return &r->head;
}

static void expect_refused(enum method method, str bytes)
{
	struct response r = {.method = method};
	struct verdict v = parse_response(&r, bytes);

	if (v.parse != PARSE_BAD || v.status != 502)
		fail_msg("not refused: " STR_FMT, STR_ARG(bytes));
}

static void a_response_is_read(void **state)
{
	struct response r = {0};
	const struct response_head *h = expect_response(&r, METHOD_GET,
		"HTTP/1.1 404 Not\tFound \xe9\r\nContent-Length: 12\r\nX: y\r\nset-cookie: a=b\r\n\r\n");

	(void)state;
	assert_int_equal(h->status, 404);
	assert_int_equal(h->minor, 1);
	expect_str(h->reason, "Not\tFound \xe9");
	assert_int_equal(h->nheaders, 3);
	assert_int_equal(h->headers[2].id, HEADER_SET_COOKIE);
	assert_int_equal(h->body, BODY_LENGTH);
	assert_true(h->has_content_length);
	assert_int_equal(h->content_length, 12);
	assert_true(h->keep_alive);
	assert_false(h->has_upgrade);
}

static void a_phrase_may_be_empty_or_absent(void **state)
{
	struct response r = {0};

	(void)state;
	expect_str(expect_response(&r, METHOD_GET, "HTTP/1.1 200 \r\n\r\n")->reason, "");
	expect_str(expect_response(&r, METHOD_GET, "HTTP/1.1 200\r\n\r\n")->reason, "");
	expect_str(expect_response(&r, METHOD_GET, "HTTP/1.1 200  a\r\n\r\n")->reason, " a");
}

static void status_method_and_fields_decide_the_body(void **state)
{
	static const struct {
		enum method method;
		const char *head;
		enum body_kind body;
		uint64_t length;
		bool keep_alive;
	} cases[] = {
		{METHOD_GET, OK CL, BODY_LENGTH, 5, true},
		{METHOD_GET, OK "Content-Length: 0\r\n", BODY_LENGTH, 0, true},
		{METHOD_GET, OK TE, BODY_CHUNKED, 0, true},
		{METHOD_GET, OK TE "Connection: close\r\n", BODY_CHUNKED, 0, false},
		{METHOD_GET, OK, BODY_UNTIL_CLOSE, 0, false},
		{METHOD_GET, "HTTP/1.0 200 OK\r\n", BODY_UNTIL_CLOSE, 0, false},
		{METHOD_GET, "HTTP/1.0 200 OK\r\n" CL, BODY_LENGTH, 5, false},
		{METHOD_GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" CL, BODY_LENGTH, 5,
			true},
		{METHOD_GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", BODY_UNTIL_CLOSE, 0,
			false},
		{METHOD_HEAD, OK CL, BODY_NONE, 5, true},
		{METHOD_HEAD, OK TE, BODY_NONE, 0, true},
		{METHOD_HEAD, OK, BODY_NONE, 0, true},
		{METHOD_GET, "HTTP/1.1 304 Not Modified\r\n" CL, BODY_NONE, 5, true},
		{METHOD_GET, "HTTP/1.1 304 Not Modified\r\n" TE, BODY_NONE, 0, true},
		{METHOD_GET, "HTTP/1.1 204 No Content\r\n", BODY_NONE, 0, true},
		{METHOD_GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", BODY_NONE, 0,
			true},
		{METHOD_GET, "HTTP/1.1 100 Continue\r\n", BODY_NONE, 0, true},
		{METHOD_GET, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n", BODY_NONE, 0, true},
		{METHOD_CONNECT, OK, BODY_NONE, 0, true},
		{METHOD_CONNECT, "HTTP/1.1 403 Forbidden\r\n" CL, BODY_LENGTH, 5, true},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct response r = {0};
		char *bytes = xasprintf("%s\r\n", cases[i].head);
		const struct response_head *h = expect_response(&r, cases[i].method, bytes);

		assert_int_equal(h->body, cases[i].body);
		assert_int_equal(h->content_length, cases[i].length);
		assert_int_equal(h->keep_alive, cases[i].keep_alive);
		free(bytes);
	}
}

static void a_length_that_must_not_be_there_is_not_forwarded(void **state)
{
	struct response r = {0};

	(void)state;
	expect_response(&r, METHOD_GET, "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n");
	assert_true(r.store[0].is_hop);
	expect_response(&r, METHOD_GET, "HTTP/1.1 304 x\r\nContent-Length: 0\r\n\r\n");
	assert_false(r.store[0].is_hop);
}

/* By section; and what is forwarded of it. */
static void what_a_proxy_is_told_to_repair_is_repaired(void **state)
{
	static const struct {
		const char *section, *head;
		enum body_kind body;
		uint64_t length;
		bool keep_alive;
		const char *forwarded;
	} cases[] = {
		{"RFC 9112 5.1", OK CL "X : a\r\nY\t \t:\tb\r\n", BODY_LENGTH, 5, true,
			CL "X: a\r\nY: b\r\n"},
		{"RFC 9112 5.1", OK "Content-Length : 5\r\n", BODY_LENGTH, 5, true, CL},
		{"RFC 9112 5.1", OK "Transfer-Encoding : chunked\r\n", BODY_CHUNKED, 0, true, ""},
		{"RFC 9112 5.1", OK "Connection : close\r\n" CL, BODY_LENGTH, 5, false, CL},
		{"RFC 9112 6.3", "HTTP/1.1 204 x\r\n" TE, BODY_NONE, 0, false, ""},
		{"RFC 9112 6.3", "HTTP/1.1 204 x\r\n" CL "A: b\r\n", BODY_NONE, 0, false,
			"A: b\r\n"},
		{"RFC 9110 8.6", OK CL CL, BODY_LENGTH, 5, true, CL},
		{"RFC 9110 8.6", OK "Content-Length: 5, 5\r\n", BODY_LENGTH, 5, true, CL},
		{"RFC 9110 8.6", OK CL "A: b\r\nContent-Length: 5 ,5\r\n", BODY_LENGTH, 5, true,
			CL "A: b\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct response r = {0};
		char *bytes = xasprintf("%s\r\n", cases[i].head);
		const struct response_head *h = expect_response(&r, METHOD_GET, bytes);
		struct buf out = {0};

		assert_int_equal(h->body, cases[i].body);
		assert_int_equal(h->content_length, cases[i].length);
		assert_int_equal(h->keep_alive, cases[i].keep_alive);
		for (size_t n = 0; n < h->nheaders; n++)
			if (!h->headers[n].is_hop)
				buf_printf(&out, STR_FMT ": " STR_FMT "\r\n",
					STR_ARG(h->headers[n].name), STR_ARG(h->headers[n].value));
		if (!str_eq(buf_str(&out), str_of(cases[i].forwarded)))
			fail_msg("%s: %s", cases[i].section, cases[i].head);
		buf_done(&out);
		free(bytes);
	}
}

static void switching_protocols_needs_an_upgrade(void **state)
{
	struct response r = {0};
	const struct response_head *h = expect_response(&r, METHOD_GET,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");

	(void)state;
	assert_true(h->has_upgrade);
	expect_str(h->upgrade, "websocket");
	assert_int_equal(h->body, BODY_NONE);
	assert_false(h->keep_alive);
	h = expect_response(&r, METHOD_GET,
		"HTTP/1.1 426 x\r\nUpgrade: tls\r\nConnection: upgrade\r\n" CL "\r\n");
	assert_false(h->has_upgrade);
	assert_true(h->headers[0].is_hop);
}

static void ambiguous_responses_are_refused(void **state)
{
	static const str heads[] = {
		STR_INIT(OK CL TE "\r\n"),
		STR_INIT(OK CL "Content-Length: 6\r\n\r\n"),
		STR_INIT(OK "Content-Length: 5, 6\r\n\r\n"),
		STR_INIT(OK "Content-Length: 5 5\r\n\r\n"),
		STR_INIT(OK CL CL TE "\r\n"),
		STR_INIT(OK "Content-Length : 5\r\n" TE "\r\n"),
		STR_INIT(OK TE TE "\r\n"),
		STR_INIT(OK "Content-Length: -1\r\n\r\n"),
		STR_INIT(OK "Content-Length:\r\n\r\n"),
		STR_INIT(OK "Transfer-Encoding: gzip, chunked\r\n\r\n"),
		STR_INIT(OK "Transfer-Encoding: identity\r\n\r\n"),
		STR_INIT(OK "Transfer-Encoding: chunked, gzip\r\n\r\n"),
		STR_INIT("HTTP/1.0 200 OK\r\n" TE "\r\n"),
		STR_INIT("HTTP/1.1 204 x\r\n" CL TE "\r\n"),
		STR_INIT("HTTP/1.1 100 x\r\n" TE "\r\n"),
		STR_INIT("HTTP/1.1 103 x\r\n" CL "\r\n"),
		STR_INIT("HTTP/1.0 100 x\r\n\r\n"),
		STR_INIT("HTTP/1.1 101 x\r\n\r\n"),
		STR_INIT("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n"),
		STR_INIT("HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n"),
		STR_INIT("HTTP/1.0 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
		STR_INIT(OK "X: a\r\n b\r\n\r\n"),
		STR_INIT(OK " X: a\r\n\r\n"),
		STR_INIT(OK " : a\r\n\r\n"),
		STR_INIT(OK "X y : a\r\n\r\n"),
		STR_INIT(OK ": a\r\n\r\n"),
		STR_INIT(OK "X\r\n\r\n"),
		STR_INIT(OK "X: a\nY: b\r\n\r\n"),
		STR_INIT(OK "X: a\rY: b\r\n\r\n"),
		STR_INIT(OK "X: \0\r\n\r\n"),
		STR_INIT(OK "Location: /\r\r\n\r\n"),
		STR_INIT(OK "Connection: content-length\r\n" CL "\r\n"),
		STR_INIT("HTTP/1.1 200 OK\n\n"),
		STR_INIT("HTTP/1.1 200 O\x01K\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(heads); i++)
		expect_refused(METHOD_GET, heads[i]);
	expect_refused(METHOD_CONNECT, STR(OK TE "\r\n"));
	expect_refused(METHOD_CONNECT, STR(OK CL "\r\n"));
	expect_refused(METHOD_HEAD, STR(OK CL TE "\r\n"));
}

static void status_lines_must_be_exact(void **state)
{
	static const char *const lines[] = {"HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 OK",
		"HTTP/1.1 600 OK", "HTTP/1.1 999 OK", "HTTP/1.1 000 OK", "HTTP/1.1 2x0 OK",
		"HTTP/1.1  200 OK", "HTTP/1.1 200OK", "HTTP/1.1\t200 OK", "HTTP/1.1 +20 OK",
		"HTTP/1.1200 OK", "HTTP/1.1", "HTTP/1.1 ", "HTTP/2.0 200 OK", "HTTP/1.2 200 OK",
		"HTTP/0.9 200 OK", "http/1.1 200 OK", "ICY 200 OK", "HTTP", " HTTP/1.1 200 OK",
		"\r\nHTTP/1.1 200 OK", "H", "<html>", "SSH-2.0-x"};

	(void)state;
	for (size_t i = 0; i < NITEMS(lines); i++) {
		char *bytes = xasprintf("%s\r\n\r\n", lines[i]);

		expect_refused(METHOD_GET, str_of(bytes));
		free(bytes);
	}
}

static void limits_are_exact(void **state)
{
	str head = STR(OK CL "\r\n");
	struct response r = {.limits = {.max_bytes = head.n, .max_headers = 1}};

	(void)state;
	assert_int_equal(parse_response(&r, head).parse, PARSE_OK);
	r.limits.max_bytes--;
	assert_int_equal(parse_response(&r, head).parse, PARSE_BAD);
	r.limits = (struct head_limits){.max_bytes = head.n};
	assert_int_equal(parse_response(&r, head).parse, PARSE_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_response_is_read),
		cmocka_unit_test(a_phrase_may_be_empty_or_absent),
		cmocka_unit_test(status_method_and_fields_decide_the_body),
		cmocka_unit_test(a_length_that_must_not_be_there_is_not_forwarded),
		cmocka_unit_test(what_a_proxy_is_told_to_repair_is_repaired),
		cmocka_unit_test(switching_protocols_needs_an_upgrade),
		cmocka_unit_test(ambiguous_responses_are_refused),
		cmocka_unit_test(status_lines_must_be_exact),
		cmocka_unit_test(limits_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
