/* test_request.c - request heads that are good, and what is read from them. */
/* SPDX-License-Identifier: MIT */
#include "requests.h"

#include "base/alloc.h"
#include "base/buf.h"

#define HOST "Host: a.example\r\n"

static void a_request_is_read(void **state)
{
	struct request r = {0};
	const struct request_head *h =
		expect_request(&r, "POST /bellevue/2025/?a=1;b=%zz&c=? HTTP/1.1\r\n"
				   "hOsT: example.com:8080\r\n"
				   "X-Empty:\r\n"
				   "X-Blanks: \t a \t b\t \r\n"
				   "Content-Length: 42\r\n"
				   "X-Latin: caf\xe9\r\n\r\n");

	(void)state;
	expect_str(h->method_text, "POST");
	assert_int_equal(h->method, METHOD_POST);
	expect_str(h->target, "/bellevue/2025/?a=1;b=%zz&c=?");
	expect_str(h->path, "/bellevue/2025/");
	assert_true(h->has_query);
	expect_str(h->query, "a=1;b=%zz&c=?");
	expect_str(h->host, "example.com:8080");
	assert_int_equal(h->minor, 1);
	assert_int_equal(h->body, BODY_LENGTH);
	assert_int_equal(h->content_length, 42);
	assert_true(h->keep_alive);
	assert_false(h->expects_continue);
	assert_false(h->has_upgrade);
	assert_int_equal(h->nheaders, 5);
	assert_ptr_equal(h->headers, r.store);
	expect_str(h->headers[0].name, "hOsT");
	assert_int_equal(h->headers[0].id, HEADER_HOST);
	expect_header(h->headers, h->nheaders, "x-empty", "");
	expect_header(h->headers, h->nheaders, "x-blanks", "a \t b");
	expect_header(h->headers, h->nheaders, "x-latin", "caf\xe9");
}

static void the_next_request_begins_where_this_one_ends(void **state)
{
	struct request r = {0};
	str bytes = STR("GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n");
	struct verdict v = parse_request(&r, bytes);

	(void)state;
	assert_int_equal(v.parse, PARSE_OK);
	assert_int_equal(v.used, bytes.n / 2);
	expect_str(r.head.path, "/1");
	v = parse_request(&r, str_slice(bytes, v.used, bytes.n));
	assert_int_equal(v.parse, PARSE_OK);
	expect_str(r.head.path, "/2");
}

static void one_empty_line_before_a_request_is_skipped(void **state)
{
	struct request r = {0};

	(void)state;
	expect_str(expect_request(&r, "\r\nGET /a HTTP/1.1\r\n" HOST "\r\n")->path, "/a");
	expect_refused(STR("\r\n\r\nGET /a HTTP/1.1\r\n" HOST "\r\n"), 400);
	expect_refused(STR("\nGET /a HTTP/1.1\r\n" HOST "\r\n"), 400);
	expect_refused(STR("\rGET /a HTTP/1.1\r\n" HOST "\r\n"), 400);
}

static void targets_have_four_forms(void **state)
{
	static const struct {
		const char *line, *path, *query, *host;
		bool has_query;
	} cases[] = {
		{"GET /", "/", "", "a.example", false},
		{"GET /?", "/", "", "a.example", true},
		{"GET //a/../b%2f", "//a/../b%2f", "", "a.example", false},
		{"GET /x?a?b/c", "/x", "a?b/c", "a.example", true},
		{"GET /\"<>[]^`{|}\\", "/\"<>[]^`{|}\\", "", "a.example", false},
		{"GET http://a.example/x?y", "/x", "y", "a.example", true},
		{"GET HTTPS://A.Example/x", "/x", "", "a.example", false},
		{"GET http://a.example", "/", "", "a.example", false},
		{"GET http://a.example?q", "/", "q", "a.example", true},
		{"OPTIONS *", "*", "", "a.example", false},
		{"OPTIONS http://a.example", "*", "", "a.example", false},
		{"OPTIONS http://a.example/", "/", "", "a.example", false},
		{"OPTIONS /x", "/x", "", "a.example", false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct request r = {0};
		char *bytes = xasprintf("%s HTTP/1.1\r\n" HOST "\r\n", cases[i].line);
		const struct request_head *h = expect_request(&r, bytes);

		expect_str(h->path, cases[i].path);
		expect_str(h->query, cases[i].query);
		expect_str(h->host, cases[i].host);
		assert_int_equal(h->has_query, cases[i].has_query);
		free(bytes);
	}
}

static void connect_names_a_host_and_a_port(void **state)
{
	struct request r = {0};
	const struct request_head *h =
		expect_request(&r, "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");

	(void)state;
	assert_int_equal(h->method, METHOD_CONNECT);
	expect_str(h->host, "a.example:443");
	expect_str(h->path, "");
}

static void methods_may_be_any_token(void **state)
{
	struct request r = {0};
	const struct request_head *h = expect_request(&r, "M-SEARCH!# / HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_int_equal(h->method, METHOD_OTHER);
	expect_str(h->method_text, "M-SEARCH!#");
}

static void a_request_of_http_1_0_needs_no_host(void **state)
{
	struct request r = {0};
	const struct request_head *h = expect_request(&r, "GET / HTTP/1.0\r\n\r\n");

	(void)state;
	assert_int_equal(h->minor, 0);
	expect_str(h->host, "");
	assert_int_equal(h->nheaders, 0);
	assert_false(h->keep_alive);
	expect_str(expect_request(&r, "GET http://b/ HTTP/1.0\r\n\r\n")->host, "b");
}

static void connection_decides_whether_the_connection_stays(void **state)
{
	static const struct {
		const char *version, *fields;
		bool keep_alive;
	} cases[] = {
		{"1.1", "", true},
		{"1.1", "Connection: close\r\n", false},
		{"1.1", "Connection: foo, CLOSE\r\n", false},
		{"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
		{"1.1", "Connection: closed\r\n", true},
		{"1.1", "Connection:\r\n", true},
		{"1.0", "", false},
		{"1.0", "Connection: Keep-Alive\r\n", true},
		{"1.0", "Connection: , keep-alive,,foo\r\n", true},
		{"1.0", "Connection: keep-alive, close\r\n", false},
		{"1.0", "Keep-Alive: timeout=5\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct request r = {0};
		char *bytes = xasprintf(
			"GET / HTTP/%s\r\n" HOST "%s\r\n", cases[i].version, cases[i].fields);

		assert_int_equal(expect_request(&r, bytes)->keep_alive, cases[i].keep_alive);
		free(bytes);
	}
}

static void what_belongs_to_the_connection_is_marked(void **state)
{
	static const char *const hop[] = {"Connection", "Keep-Alive", "TE", "Upgrade", "X-Private",
		"HTTP2-Settings", "Proxy-Connection", "Proxy-Authorization"};
	static const char *const end_to_end[] = {"Host", "X-Public", "Trailer", "Cookie"};
	struct request r = {0};
	const struct request_head *h = expect_request(&r,
		"GET / HTTP/1.1\r\n" HOST "x-PRIVATE: 1\r\nX-Public: 2\r\n"
		"Connection: TE, X-Private\r\nTE: trailers\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n"
		"Connection: http2-settings\r\nHTTP2-Settings: x\r\nProxy-Connection: close\r\n"
		"Proxy-Authorization: x\r\nTrailer: X-Sum\r\nCookie: a=b\r\n\r\n");

	(void)state;
	for (size_t i = 0; i < NITEMS(hop); i++)
		assert_true(header_find_name(h->headers, h->nheaders, str_of(hop[i]))->is_hop);
	for (size_t i = 0; i < NITEMS(end_to_end); i++)
		assert_false(
			header_find_name(h->headers, h->nheaders, str_of(end_to_end[i]))->is_hop);
	assert_false(h->has_upgrade);
}

static void names_that_cgi_cannot_tell_apart_are_not_forwarded(void **state)
{
	struct request r = {0};
	const struct request_head *h =
		expect_request(&r, "GET / HTTP/1.1\r\n" HOST
				   "X_Forwarded_For: 1\r\ncontent_length: 5\r\nSCRIPT_NAME: /x\r\n"
				   "X-Forwarded_Proto: 1\r\nAPI_KEY: 1\r\n\r\n");

	(void)state;
	for (size_t i = 1; i < 5; i++) {
		assert_int_equal(h->headers[i].id, HEADER_OTHER);
		assert_true(h->headers[i].is_hop);
	}
	assert_false(h->headers[5].is_hop);
	assert_int_equal(h->body, BODY_NONE);
}

static void bodies_are_chunked_or_of_a_length_or_absent(void **state)
{
	static const struct {
		const char *fields;
		enum body_kind body;
		uint64_t length;
	} cases[] = {
		{"", BODY_NONE, 0},
		{"Content-Length: 0\r\n", BODY_LENGTH, 0},
		{"Content-Length: 0017\r\n", BODY_LENGTH, 17},
		{"Content-Length: 9223372036854775807\r\n", BODY_LENGTH, INT64_MAX},
		{"Transfer-Encoding: chunked\r\n", BODY_CHUNKED, 0},
		{"Transfer-Encoding: \tChunkED \r\n", BODY_CHUNKED, 0},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct request r = {0};
		char *bytes = xasprintf("GET / HTTP/1.1\r\n" HOST "%s\r\n", cases[i].fields);
		const struct request_head *h = expect_request(&r, bytes);

		assert_int_equal(h->body, cases[i].body);
		assert_int_equal(h->content_length, cases[i].length);
		free(bytes);
	}
}

static void a_continue_is_expected_only_where_it_has_a_meaning(void **state)
{
	static const struct {
		const char *version, *fields;
		bool expects_continue;
	} cases[] = {
		{"1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n", true},
		{"1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", true},
		{"1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false},
		{"1.1", "Expect: 100-continue\r\n", false},
		{"1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n", false},
		{"1.0", "Expect: miracles\r\n", false},
		{"1.1", "Content-Length: 5\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct request r = {0};
		char *bytes = xasprintf(
			"GET / HTTP/%s\r\n" HOST "%s\r\n", cases[i].version, cases[i].fields);

		assert_int_equal(
			expect_request(&r, bytes)->expects_continue, cases[i].expects_continue);
		free(bytes);
	}
	expect_refused(STR("GET / HTTP/1.1\r\n" HOST "Expect: miracles\r\n\r\n"), 417);
	expect_refused(
		STR("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: x\r\n\r\n"), 417);
}

static void an_upgrade_needs_both_fields_and_http_1_1(void **state)
{
	static const struct {
		const char *version, *fields, *upgrade;
	} cases[] = {
		{"1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"},
		{"1.1", "Upgrade: WebSocket\r\nConnection: keep-alive, UPGRADE\r\n", "WebSocket"},
		{"1.1", "Upgrade: my/1.0\r\nConnection: x\r\nConnection: upgrade\r\n", "my/1.0"},
		{"1.1", "Upgrade: websocket\r\n", NULL},
		{"1.1", "Connection: upgrade\r\n", NULL},
		{"1.1", "Connection: upgrade\r\nUpgrade:\r\n", NULL},
		{"1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct request r = {0};
		char *bytes = xasprintf(
			"GET / HTTP/%s\r\n" HOST "%s\r\n", cases[i].version, cases[i].fields);
		const struct request_head *h = expect_request(&r, bytes);

		assert_int_equal(h->has_upgrade, cases[i].upgrade != NULL);
		expect_str(h->upgrade, cases[i].upgrade ? cases[i].upgrade : "");
		free(bytes);
	}
}

static void add_repeated(struct buf *b, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_add(b, str_of(text));
}

static void limits_are_exact(void **state)
{
	struct request r = {.limits = {.max_bytes = 1000, .max_headers = 3, .max_target = 20}};
	struct buf b = {0};
	struct verdict v;

	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		buf_add(&b, STR("GET / HTTP/1.1\r\n" HOST "A: "));
		add_repeated(&b, "x", 1000 - 4 - buf_len(&b) + extra);
		buf_add(&b, STR("\r\n\r\nGET / HTTP/1.1\r\n"));
		v = parse_request(&r, buf_str(&b));
		assert_int_equal(v.parse, extra ? PARSE_BAD : PARSE_OK);
		assert_int_equal(v.status, extra ? 431 : 0);
		buf_clear(&b);

		buf_add(&b, STR("GET / HTTP/1.1\r\n" HOST));
		add_repeated(&b, "A: b\r\n", 2 + extra);
		buf_add(&b, STR("\r\n"));
		v = parse_request(&r, buf_str(&b));
		assert_int_equal(v.parse, extra ? PARSE_BAD : PARSE_OK);
		assert_int_equal(v.status, extra ? 431 : 0);
		buf_clear(&b);

		buf_add(&b, STR("GET "));
		add_repeated(&b, "/", 20 + extra);
		buf_add(&b, STR(" HTTP/1.1\r\n" HOST "\r\n"));
		v = parse_request(&r, buf_str(&b));
		assert_int_equal(v.parse, extra ? PARSE_BAD : PARSE_OK);
		assert_int_equal(v.status, extra ? 414 : 0);
		buf_clear(&b);
	}
	buf_add(&b, STR("GET /"));
	add_repeated(&b, "x", 2000);
	v = parse_request(&r, buf_str(&b));
	assert_int_equal(v.parse, PARSE_BAD);
	assert_int_equal(v.status, 414);
	buf_done(&b);
}

static void a_head_that_cannot_end_within_the_limit_is_refused_at_the_limit(void **state)
{
	struct request r = {.limits = {.max_bytes = 32, .max_headers = 3, .max_target = 20}};
	str bytes = STR("GET / HTTP/1.1\r\nHost: a.example\r\n");

	(void)state;
	assert_int_equal(parse_request(&r, str_slice(bytes, 0, 31)).parse, PARSE_MORE);
	assert_int_equal(parse_request(&r, str_slice(bytes, 0, 32)).status, 431);
	assert_int_equal(parse_request(&r, bytes).status, 431);
}

static void more_fields_than_the_array_holds_are_refused(void **state)
{
	struct request r = {.limits = {.max_bytes = 1000, .max_headers = 1000, .max_target = 20}};
	struct buf b = {0};

	(void)state;
	buf_add(&b, STR("GET / HTTP/1.1\r\n" HOST));
	add_repeated(&b, "A:\r\n", TEST_HEADERS - 1);
	buf_add(&b, STR("\r\n"));
	assert_int_equal(parse_request(&r, buf_str(&b)).parse, PARSE_OK);
	assert_int_equal(r.head.nheaders, TEST_HEADERS);
	b.end -= 2;
	buf_add(&b, STR("A:\r\n\r\n"));
	assert_int_equal(parse_request(&r, buf_str(&b)).status, 431);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read),
		cmocka_unit_test(the_next_request_begins_where_this_one_ends),
		cmocka_unit_test(one_empty_line_before_a_request_is_skipped),
		cmocka_unit_test(targets_have_four_forms),
		cmocka_unit_test(connect_names_a_host_and_a_port),
		cmocka_unit_test(methods_may_be_any_token),
		cmocka_unit_test(a_request_of_http_1_0_needs_no_host),
		cmocka_unit_test(connection_decides_whether_the_connection_stays),
		cmocka_unit_test(what_belongs_to_the_connection_is_marked),
		cmocka_unit_test(names_that_cgi_cannot_tell_apart_are_not_forwarded),
		cmocka_unit_test(bodies_are_chunked_or_of_a_length_or_absent),
		cmocka_unit_test(a_continue_is_expected_only_where_it_has_a_meaning),
		cmocka_unit_test(an_upgrade_needs_both_fields_and_http_1_1),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(a_head_that_cannot_end_within_the_limit_is_refused_at_the_limit),
		cmocka_unit_test(more_fields_than_the_array_holds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
