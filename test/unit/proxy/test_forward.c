/* test_forward.c - what a tenant sees of a request. */
/* SPDX-License-Identifier: MIT */
#include "forwarding.h"

static void expect_forwarded(const char *bytes, const struct setting *s, const char *expected)
{
	struct buf out = {0};

	forward_bytes(&out, str_of(bytes), s);
	expect_str(buf_str(&out), expected);
	buf_done(&out);
}

#define OURS                                                                                       \
	"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\n"           \
	"X-Request-ID: id-1\r\nX-Request-Start: t=1723800000123\r\n"

static void order_spelling_and_duplicates_stay(void **state)
{
	(void)state;
	expect_forwarded(
		"GET /a?b=%zz;c HTTP/1.1\r\nhOST: x\r\nACCEPT:*/*\r\nX-a: 1\r\nx-A:  2 \r\nEmpty:\r\n\r\n",
		&(struct setting){0},
		"GET /a?b=%zz;c HTTP/1.1\r\nhOST: x\r\nACCEPT:*/*\r\nX-a: 1\r\nx-A:  2 \r\nEmpty:\r\n" OURS
		"\r\n");
}

static void what_is_routed_is_what_goes_on(void **state)
{
	(void)state;
	expect_forwarded("GET /icon.png? HTTP/1.1\r\nHost: x\r\n\r\n",
		&(struct setting){
			.tenant = &tenant_pass, .before = "/b/winter", .path = "/icon.png"},
		"GET /b/winter/icon.png? HTTP/1.1\r\nHost: x\r\n" OURS
		"X-Forwarded-Prefix: /b/winter\r\n\r\n");
	expect_forwarded("GET /b/summer/%7Ea HTTP/1.1\r\nHost: x\r\n\r\n",
		&(struct setting){.tenant = &tenant_strip, .path = "/~a"},
		"GET /~a HTTP/1.1\r\nHost: x\r\n" OURS
		"X-Forwarded-Prefix: /b/summer\r\nX-Script-Name: /b/summer\r\n\r\n");
}

static void dropped_lines_leave_no_trace(void **state)
{
	static const char *const dropped[] = {"Connection: close",
		"Connection: X-Private\r\nX-Private: 1", "Keep-Alive: timeout=5",
		"Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eA==", "TE: gzip",
		"Upgrade: websocket", "Proxy: http://evil", "Forwarded: for=1.1.1.1;host=evil",
		"SCRIPT_NAME: /evil", "Script-Name: /evil", "X-Script-Name: /evil",
		"X_SCRIPT_NAME: /evil", "X-Sendfile-Type: X-Sendfile", "X-Sendfile: /etc/passwd",
		"X-Accel-Mapping: /=/", "X-Accel-Redirect: /x", "X-Forwarded-Prefix: /evil",
		"X-Original-URL: /admin", "X-Rewrite-Url: /admin", "X_Original_URL: /admin",
		"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil",
		"X-Forwarded-Port: 443", "X-Forwarded-Ssl: on", "X-Forwarded-Server: evil",
		"X-Forwarded-Scheme: https", "X-Forwarded-User: admin", "x-forwarded-anything: 1",
		"X-Real-IP: 6.6.6.6", "X_Forwarded_For: 6.6.6.6", "x_forwarded-host: evil",
		"X-Forwarded_User: admin", "X_FORWARDED_USER: admin", "Content_Length: 5",
		"Transfer_Encoding: chunked", "X-Request-ID: forged", "X-Request-Start: t=1",
		"Fly-Client-IP: 6.6.6.6", "Fly-Request-Id: 1", "Fly-Replay-Src: instance=x",
		"Fly-Replay-Failed: x", "Fly-Forwarded-Proto: https",
		"Fly-Preferred-Instance-Unavailable: x", "fly_client_ip: 6.6.6.6", "Fly_Src: x",
		"Expect: 100-continue"};

	(void)state;
	for (size_t i = 0; i < NITEMS(dropped); i++) {
		static const char *const places[] = {"%s\r\nHost: x\r\nA: 1\r\nB: 2\r\n",
			"Host: x\r\nA: 1\r\n%s\r\nB: 2\r\n", "Host: x\r\nA: 1\r\nB: 2\r\n%s\r\n",
			"Host: x\r\n%1$s\r\nA: 1\r\nB: 2\r\n"};

		for (size_t at = 0; at < NITEMS(places); at++) {
			char *fields, *bytes;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			fields = xasprintf(places[at], dropped[i]);
#pragma GCC diagnostic pop
			bytes = xasprintf("GET / HTTP/1.1\r\n%s\r\n", fields);
			expect_forwarded(bytes, &(struct setting){0},
				"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\n" OURS "\r\n");
			free(fields);
			free(bytes);
		}
	}
}

static void kept_lines_are_kept(void **state)
{
	static const char *const kept[] = {"X-Forward: 1", "X-Original: 1", "Flyer: 1", "fly: 1",
		"X-Requested-With: XMLHttpRequest", "Cookie: a=b", "Origin: http://x",
		"Referer: http://x/", "Via: 1.1 a", "Accept-Encoding: gzip", "Trailer: X-Sum",
		"Sec-WebSocket-Key: x", "Range: bytes=0-1", "Destination: http://x/b/winter/a",
		"If: <http://x/b/winter/a> ([\"e\"])"};

	(void)state;
	for (size_t i = 0; i < NITEMS(kept); i++) {
		char *bytes = xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", kept[i]);
		char *expected =
			xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\n", kept[i], OURS);

		expect_forwarded(bytes, &(struct setting){0}, expected);
		free(bytes);
		free(expected);
	}
}

static void names_with_underscores_are_kept_where_the_configuration_says_so(void **state)
{
	static const char *const harmless[] = {"X-Foo_Bar: 1", "_: 1", "api_key: 1"};

	(void)state;
	for (size_t i = 0; i < NITEMS(harmless); i++) {
		char *bytes = xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", harmless[i]);
		char *kept =
			xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\n", harmless[i], OURS);

		expect_forwarded(bytes, &(struct setting){.keeps_underscores = true}, kept);
		expect_forwarded(
			bytes, &(struct setting){0}, "GET / HTTP/1.1\r\nHost: x\r\n" OURS "\r\n");
		free(bytes);
		free(kept);
	}
	expect_forwarded("GET / HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n",
		&(struct setting){.keeps_underscores = true},
		"GET / HTTP/1.1\r\nHost: x\r\n" OURS "\r\n");
}

static void places_of_webdav_lose_a_stripped_prefix(void **state)
{
	(void)state;
	expect_forwarded(
		"MOVE /b/summer/old HTTP/1.1\r\nHost: x\r\n"
		"Destination: http://x/b/summer/new%20name\r\nA: 1\r\n"
		"If: <http://x/b/summer/old> (<urn:a>) <http://y/b/summer/z> (<urn:b>)\r\n\r\n",
		&(struct setting){.tenant = &tenant_strip, .path = "/old"},
		"MOVE /old HTTP/1.1\r\nHost: x\r\nDestination: http://x/new%20name\r\nA: 1\r\n"
		"If: <http://x/old> (<urn:a>) <http://y/b/summer/z> (<urn:b>)\r\n" OURS
		"X-Forwarded-Prefix: /b/summer\r\nX-Script-Name: /b/summer\r\n\r\n");
	expect_forwarded("MOVE /b/summer/old HTTP/1.1\r\nHost: x\r\nDestination: /b/summer\r\n"
			 "Destination: /b/summery/a\r\n\r\n",
		&(struct setting){.tenant = &tenant_strip, .path = "/old"},
		"MOVE /old HTTP/1.1\r\nHost: x\r\nDestination: /\r\nDestination: /b/summery/a\r\n" OURS
		"X-Forwarded-Prefix: /b/summer\r\nX-Script-Name: /b/summer\r\n\r\n");
}

struct origin {
	struct setting setting;
	const char *fields;
	const char *forwarded_for, *proto, *host;
};

static void check_origin(const struct origin *o)
{
	char *bytes = xasprintf("GET / HTTP/1.1\r\nHost: x:8080\r\n%s\r\n", o->fields);
	unsigned seen = 0;
	struct request r;

	forward_and_parse(&r, bytes, &o->setting);
	expect_str(request_field(&r, "X-Forwarded-For"), o->forwarded_for);
	expect_str(request_field(&r, "X-Forwarded-Proto"), o->proto);
	expect_str(request_field(&r, "X-Forwarded-Host"), o->host);
	for (size_t i = 0; i < r.head.nheaders; i++)
		seen += r.store[i].id == HEADER_X_FORWARDED_FOR ||
			r.store[i].id == HEADER_X_FORWARDED_PROTO ||
			r.store[i].id == HEADER_X_FORWARDED_HOST;
	assert_int_equal(seen, *o->forwarded_for ? 3 : 2);
	request_close(&r);
	free(bytes);
}

static void origin_is_told_as_far_as_it_is_believed(void **state)
{
	const struct setting trusted = {.is_trusted = true, .peer = "127.0.0.1"};
	const struct setting told = {.is_trusted = true, .peer = "127.0.0.1", .client = "1.1.1.1"};
	const struct setting replaced = {.is_trusted = true,
		.peer = "127.0.0.1",
		.client = "1.1.1.1",
		.drops_forwarded = true};
	const struct setting local = {.is_trusted = true, .peer = ""};
	const struct setting local_told = {.is_trusted = true, .peer = "", .client = "1.1.1.1"};
	const struct setting edge = {.is_trusted = true,
		.has_edge = true,
		.peer = "172.16.0.2",
		.fly_client = "203.0.113.9"};
	const struct origin rows[] = {
		{{0}, "", "9.9.9.9", "http", "x:8080"},
		{{0}, "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: e\r\n",
			"9.9.9.9", "http", "x:8080"},
		{trusted, "", "127.0.0.1", "http", "x:8080"},
		{told, "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: e.com\r\n",
			"1.1.1.1", "https", "e.com"},
		{told, "X-Forwarded-For: 3.3.3.3, 2.2.2.2\r\nA: b\r\nx-forwarded-for: 1.1.1.1\r\nX-Forwarded-For:\r\n",
			"1.1.1.1", "http", "x:8080"},
		{trusted, "X-Forwarded-Proto: https, http\r\nX-Forwarded-Host: a.com,b.com\r\n",
			"127.0.0.1", "https", "a.com"},
		{trusted,
			"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"
			"X-Forwarded-Host: b\r\n",
			"127.0.0.1", "https", "a"},
		{trusted, "X-Forwarded-Proto: javascript\r\nX-Forwarded-Host: a/b\r\n", "127.0.0.1",
			"http", "x:8080"},
		{trusted, "X-Forwarded-Proto:\r\nX-Forwarded-Host:\r\n", "127.0.0.1", "http",
			"x:8080"},
		{trusted, "X-Forwarded-Proto: ,https\r\n", "127.0.0.1", "http", "x:8080"},
		{trusted, "Fly-Forwarded-Proto: https\r\n", "127.0.0.1", "http", "x:8080"},
		{replaced,
			"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: e.com\r\n",
			"127.0.0.1", "http", "x:8080"},
		{local, "", "", "http", "x:8080"},
		{local_told, "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1", "http", "x:8080"},
		{edge, "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 66.241.1.1\r\nX-Forwarded-Proto: https\r\n",
			"203.0.113.9", "https", "x:8080"},
		{edge, "Fly-Forwarded-Proto: https\r\n", "203.0.113.9", "https", "x:8080"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++)
		check_origin(&rows[i]);
}

static void trusted_peers_may_say_more(void **state)
{
	struct setting s = {.is_trusted = true};
	struct request r;

	(void)state;
	forward_and_parse(&r,
		"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Ssl: on\r\nX-Real-IP: 1.1.1.1\r\n"
		"X-Forwarded-Port: 80\r\nX-Forwarded-Scheme: https, http\r\n"
		"X-Forwarded-User: ann\r\nX-Request-Start: t=5\r\nX-Request-Start: t=6\r\nX-Request-ID: id-1\r\n"
		"X_Forwarded_User: eve\r\nX-Forwarded-Prefix: /evil\r\nFly-Region: iad\r\n\r\n",
		&s);
	expect_str(request_field(&r, "X-Forwarded-Port"), "443");
	expect_str(request_field(&r, "X-Forwarded-Ssl"), "on");
	expect_str(request_field(&r, "X-Real-IP"), "1.1.1.1");
	expect_str(request_field(&r, "X-Forwarded-User"), "ann");
	expect_str(request_field(&r, "X_Forwarded_User"), "");
	expect_str(request_field(&r, "X-Request-Start"), "t=5");
	expect_str(request_field(&r, "X-Request-ID"), "id-1");
	expect_str(request_field(&r, "X-Forwarded-Prefix"), "");
	expect_str(request_field(&r, "Fly-Region"), "");
	assert_int_equal(r.head.nheaders, 10);
	request_close(&r);
}

static void edge_fields_go_on(void **state)
{
	struct setting s = {.is_trusted = true, .has_edge = true, .fly_client = "1.1.1.1"};
	struct request r;

	(void)state;
	forward_and_parse(&r,
		"GET / HTTP/1.1\r\nHost: x\r\nFly-Client-IP: 1.1.1.1\r\nFly-Region: iad\r\nFly-Replay-Src: instance=a\r\n"
		"Fly-Traceparent: 00-1\r\nFly_Client_Ip: 6.6.6.6\r\nX-Request-Start: t=1723800000123456\r\n\r\n",
		&s);
	expect_str(request_field(&r, "Fly-Client-IP"), "1.1.1.1");
	expect_str(request_field(&r, "Fly-Region"), "iad");
	expect_str(request_field(&r, "Fly-Replay-Src"), "instance=a");
	expect_str(request_field(&r, "Fly-Traceparent"), "00-1");
	expect_str(request_field(&r, "Fly_Client_Ip"), "");
	expect_str(request_field(&r, "X-Request-Start"), "t=1723800000123456");
	request_close(&r);
}

static void a_host_is_always_there(void **state)
{
	(void)state;
	expect_forwarded("GET / HTTP/1.0\r\nA: b\r\n\r\n",
		&(struct setting){.tenant = &tenant_host},
		"GET / HTTP/1.1\r\nHost: b.example.com\r\nA: b\r\nX-Forwarded-For: 9.9.9.9\r\n"
		"X-Forwarded-Proto: http\r\nX-Forwarded-Host: b.example.com\r\nX-Request-ID: id-1\r\n"
		"X-Request-Start: t=1723800000123\r\n\r\n");
	expect_forwarded("GET / HTTP/1.0\r\n\r\n", &(struct setting){0},
		"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 9.9.9.9\r\n"
		"X-Forwarded-Proto: http\r\nX-Forwarded-Host: localhost\r\nX-Request-ID: id-1\r\n"
		"X-Request-Start: t=1723800000123\r\n\r\n");
	expect_forwarded("GET http://x/a HTTP/1.0\r\n\r\n", &(struct setting){0},
		"GET /a HTTP/1.1\r\nHost: x\r\n" OURS "\r\n");
	expect_forwarded("GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", &(struct setting){0},
		"GET /a HTTP/1.1\r\nHost: x\r\n" OURS "\r\n");
	expect_forwarded("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", &(struct setting){0},
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n" OURS "\r\n");
}

static void framing_is_the_clients(void **state)
{
	static const struct {
		const char *method, *field, *expected;
	} rows[] = {
		{"GET", "", ""},
		{"DELETE", "", ""},
		{"BREW", "", ""},
		{"POST", "", "Content-Length: 0\r\n"},
		{"PUT", "", "Content-Length: 0\r\n"},
		{"PATCH", "", "Content-Length: 0\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		char *bytes = xasprintf("%s / HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].method);
		char *expected = xasprintf("%s / HTTP/1.1\r\nHost: x\r\n%s%s\r\n", rows[i].method,
			OURS, rows[i].expected);

		expect_forwarded(bytes, &(struct setting){0}, expected);
		free(bytes);
		free(expected);
	}
	expect_forwarded("POST / HTTP/1.1\r\nHost: x\r\nContent-length: 12\r\n\r\n",
		&(struct setting){0},
		"POST / HTTP/1.1\r\nHost: x\r\nContent-length: 12\r\n" OURS "\r\n");
	expect_forwarded(
		"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nHost: x\r\nTrailer: X-S\r\n\r\n",
		&(struct setting){0},
		"POST / HTTP/1.1\r\nHost: x\r\nTrailer: X-S\r\n" OURS
		"Transfer-Encoding: chunked\r\n\r\n");
}

static void expectations_go_on_when_asked(void **state)
{
	const char *bytes =
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n";

	(void)state;
	expect_forwarded(bytes, &(struct setting){.keeps_expect = true},
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n" OURS
		"\r\n");
	expect_forwarded(bytes, &(struct setting){0},
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" OURS "\r\n");
}

static void upgrades_and_trailers_are_asked_for_again(void **state)
{
	(void)state;
	expect_forwarded(
		"GET /cable HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n\r\n",
		&(struct setting){0},
		"GET /cable HTTP/1.1\r\nHost: x\r\n" OURS
		"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
	expect_forwarded(
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: TE\r\nTE: gzip;q=0.5, Trailers\r\n\r\n",
		&(struct setting){0},
		"GET / HTTP/1.1\r\nHost: x\r\n" OURS "Connection: TE\r\nTE: trailers\r\n\r\n");
	expect_forwarded("GET / HTTP/1.0\r\nHost: x\r\nTE: trailers\r\n\r\n", &(struct setting){0},
		"GET / HTTP/1.1\r\nHost: x\r\n" OURS "\r\n");
}

static void http2_is_not_let_in_behind_our_back(void **state)
{
	static const char *const protocols[] = {"h2c", "H2C", "websocket, h2c", "HTTP/2.0"};

	(void)state;
	for (size_t i = 0; i < NITEMS(protocols); i++) {
		char *bytes = xasprintf(
			"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
			"Upgrade: %s\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
			protocols[i]);

		expect_forwarded(
			bytes, &(struct setting){0}, "GET / HTTP/1.1\r\nHost: x\r\n" OURS "\r\n");
		free(bytes);
	}
}

static void authorization_twice_alike_goes_once(void **state)
{
	(void)state;
	expect_forwarded(
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eA==\r\nAuthorization: Basic eA==\r\n\r\n",
		&(struct setting){0},
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eA==\r\n" OURS "\r\n");
	expect_forwarded(
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eA==\r\nAuthorization: Basic eQ==\r\n\r\n",
		&(struct setting){0},
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eA==\r\nAuthorization: Basic eQ==\r\n" OURS
		"\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_spelling_and_duplicates_stay),
		cmocka_unit_test(what_is_routed_is_what_goes_on),
		cmocka_unit_test(dropped_lines_leave_no_trace),
		cmocka_unit_test(kept_lines_are_kept),
		cmocka_unit_test(names_with_underscores_are_kept_where_the_configuration_says_so),
		cmocka_unit_test(places_of_webdav_lose_a_stripped_prefix),
		cmocka_unit_test(origin_is_told_as_far_as_it_is_believed),
		cmocka_unit_test(trusted_peers_may_say_more),
		cmocka_unit_test(edge_fields_go_on),
		cmocka_unit_test(a_host_is_always_there),
		cmocka_unit_test(framing_is_the_clients),
		cmocka_unit_test(expectations_go_on_when_asked),
		cmocka_unit_test(upgrades_and_trailers_are_asked_for_again),
		cmocka_unit_test(http2_is_not_let_in_behind_our_back),
		cmocka_unit_test(authorization_twice_alike_goes_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
