/* test_h2.c - HTTP/2 becomes the text of HTTP/1.1, and the other way round; handshakes; budgets. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these first */
#include <cmocka.h>

#include "h2/guard.h"
#include "h2/request.h"
#include "h2/response.h"
#include "http/websocket.h"

#define KEY STR("dGhlIHNhbXBsZSBub25jZQ==")

/* Lines of "name=value"; the first '=' behind the first character divides. */
static bool add_all(struct h2_request *r, const char *fields)
{
	str rest = str_of(fields), line;

	h2_request_begin(r);
	while (str_split(&rest, '|', &line)) {
		ssize_t at = str_find_char(line, '=');

		if (!h2_request_add(r, str_slice(line, 0, (size_t)at),
			    str_slice(line, (size_t)at + 1, line.n)))
			return false;
	}
	return true;
}

#define START ":method=GET|:scheme=http|:authority=a.example|:path=/x?y"

static void test_requests_as_http_1_1_has_them(void **state)
{
	static const struct {
		const char *fields;
		bool has_body;
		const char *text;
	} cases[] = {
		{START, false, "GET /x?y HTTP/1.1\r\nhost: a.example\r\n\r\n"},
		{":path=/|:scheme=https|:method=HEAD|:authority=a|x=1|y=|x=2", false,
			"HEAD / HTTP/1.1\r\nhost: a\r\nx: 1\r\ny: \r\nx: 2\r\n\r\n"},
		{START "|cookie=a=1|x=1|cookie=b=2", false,
			"GET /x?y HTTP/1.1\r\nhost: a.example\r\nx: 1\r\ncookie: a=1; b=2\r\n\r\n"},
		{START "|host=A.Example", false, "GET /x?y HTTP/1.1\r\nhost: a.example\r\n\r\n"},
		{":method=GET|:scheme=http|:path=/|host=b", false,
			"GET / HTTP/1.1\r\nhost: b\r\n\r\n"},
		{START "|te=trailers", false,
			"GET /x?y HTTP/1.1\r\nhost: a.example\r\nte: trailers\r\n\r\n"},
		{START "|content-length=5", true,
			"GET /x?y HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\n"},
		{START, true,
			"GET /x?y HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n"},
		{START "|content-length=0", false,
			"GET /x?y HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n"},
		{":method=OPTIONS|:scheme=http|:authority=a|:path=*", false,
			"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"},
		{":method=CONNECT|:authority=a:443", true,
			"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n"
			"transfer-encoding: chunked\r\n\r\n"},
		{":method=CONNECT|:protocol=websocket|:scheme=http|:authority=a|:path=/ws|"
		 "sec-websocket-version=13|sec-websocket-key=other",
			true,
			"GET /ws HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\n"
			"connection: upgrade\r\nupgrade: websocket\r\n"
			"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
	};
	struct h2_request r = {0};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		buf_clear(&out);
		assert_true(add_all(&r, cases[i].fields));
		assert_int_equal(h2_request_end(&r, cases[i].has_body, KEY, &out), 0);
		buf_add_char(&out, '\0');
		assert_string_equal(buf_str(&out).p, cases[i].text);
	}
	buf_done(&out);
	h2_request_done(&r);
}

static void test_fields_that_are_refused_at_once(void **state)
{
	static const char *const cases[] = {
		START "|connection=close",
		START "|keep-alive=1",
		START "|proxy-connection=close",
		START "|transfer-encoding=chunked",
		START "|upgrade=websocket",
		START "|te=gzip",
		START "|te=trailers, gzip",
		START "|host=b.example",
		START "|X=1",
		START "|a b=1",
		START "|a:b=1",
		START "|=1",
		START "|x= 1",
		START "|x=1\t",
		START "|x=a\rb",
		START "|x=a\nb",
		START "|x=a\x01",
		START "|:path=/again",
		START "|:status=200",
		START "|:=1",
		("x=1|" START),
		":method=",
		":method=GET /\r\n",
		":path=/a b",
		":path=/a\tb",
		":authority=a\x7f",
	};
	struct h2_request r = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		assert_false(add_all(&r, cases[i]));
	h2_request_done(&r);
}

static void test_requests_that_are_not_whole(void **state)
{
	static const struct {
		const char *fields;
		bool has_body;
		unsigned status;
	} cases[] = {
		{":method=GET|:scheme=http|:authority=a", false, 400},
		{":method=GET|:authority=a|:path=/", false, 400},
		{":scheme=http|:authority=a|:path=/", false, 400},
		{"x=1", false, 400},
		{"", false, 400},
		{":method=GET|:scheme=ftp|:authority=a|:path=/", false, 400},
		{":method=GET|:scheme=http|:authority=a|:path=http://b/", false, 400},
		{":method=GET|:scheme=http|:authority=a|:path=x", false, 400},
		{START "|content-length=5", false, 400},
		{":method=CONNECT|:authority=a:1|:path=/", true, 400},
		{":method=CONNECT|:authority=a:1|:scheme=http", true, 400},
		{":method=CONNECT", true, 400},
		{START "|:protocol=websocket", true, 400},
		{":method=CONNECT|:protocol=websocket|:authority=a|:path=/", true, 400},
		{":method=CONNECT|:protocol=websocket|:scheme=http|:authority=a|:path=/|"
		 "content-length=0",
			true, 400},
		{":method=CONNECT|:protocol=connect-udp|:scheme=http|:authority=a|:path=/", true,
			501},
	};
	struct h2_request r = {0};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		if (!add_all(&r, cases[i].fields))
			fail();
		assert_int_equal(h2_request_end(&r, cases[i].has_body, KEY, &out), cases[i].status);
		assert_int_equal(buf_len(&out), 0);
	}
	h2_request_done(&r);
}

static void test_the_size_of_a_list_counts_as_rfc_9113_says(void **state)
{
	struct h2_request r = {0};

	(void)state;
	assert_true(add_all(&r, ":method=GET|abc=de"));
	assert_int_equal(r.size, 7 + 3 + 32 + 3 + 2 + 32);
	h2_request_begin(&r);
	assert_int_equal(r.size, 0);
	h2_request_done(&r);
}

static void assert_fields(const struct h2_fields *f, const char *wanted)
{
	struct buf out = {0};

	for (size_t i = 0; i < f->count; i++) {
		buf_add(&out, (str){(const char *)f->items[i].name, f->items[i].namelen});
		buf_add_char(&out, '=');
		buf_add(&out, (str){(const char *)f->items[i].value, f->items[i].valuelen});
		buf_add_char(&out, '|');
	}
	buf_add_char(&out, '\0');
	assert_string_equal(buf_str(&out).p, wanted);
	buf_done(&out);
}

static void test_answers_as_http_2_has_them(void **state)
{
	struct h2_fields f = {0};

	(void)state;
	assert_int_equal(h2_fields_of_head(&f, STR("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
						   "Connection: close\r\nKeep-Alive: timeout=5\r\n"
						   "Transfer-Encoding: chunked\r\nX-Empty: \r\n"
						   "Set-Cookie: a=1\r\nSet-Cookie: b: c\r\n\r\n")),
		200);
	assert_fields(&f, ":status=200|Content-Type=text/plain|X-Empty=|Set-Cookie=a=1|"
			  "Set-Cookie=b: c|");
	assert_int_equal(h2_fields_of_head(&f, STR("HTTP/1.1 103 \r\nLink: </a>\r\n\r\n")), 103);
	assert_fields(&f, ":status=103|Link=</a>|");
	assert_int_equal(h2_fields_of_head(&f, STR("HTTP/1.1 404 Not Found\r\n\r\n")), 404);
	assert_fields(&f, ":status=404|");
	h2_fields_of_trailers(&f, STR("X-Sum: 42\r\nX-B: \r\n"));
	assert_fields(&f, "X-Sum=42|X-B=|");
	h2_fields_done(&f);
}

static void test_a_switch_of_protocols_is_a_200(void **state)
{
	str head = STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		       "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\nContent-Length: 0\r\n"
		       "Sec-WebSocket-Protocol: chat\r\n\r\n");
	struct h2_fields f = {0};

	(void)state;
	assert_true(h2_head_is_switch(head));
	assert_int_equal(h2_fields_of_head(&f, head), 200);
	assert_fields(&f, ":status=200|Sec-WebSocket-Protocol=chat|");
	assert_false(h2_head_is_switch(STR("HTTP/1.1 200 OK\r\n\r\n")));
	h2_fields_done(&f);
}

static void test_the_handshake_of_rfc_6455(void **state)
{
	char key[WEBSOCKET_KEY_SIZE], other[WEBSOCKET_KEY_SIZE];

	(void)state;
	assert_true(websocket_is_accepted(KEY, STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
	assert_false(websocket_is_accepted(KEY, STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOO=")));
	assert_false(websocket_is_accepted(KEY, STR_EMPTY));
	assert_false(websocket_is_accepted(STR("short"), STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
	websocket_key(key);
	websocket_key(other);
	assert_memory_not_equal(key, other, sizeof(key));
	assert_memory_equal(key + WEBSOCKET_KEY_SIZE - 2, "==", 2);
}

static void test_a_budget_comes_back_with_time(void **state)
{
	struct h2_budget b = {0};

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(h2_budget_take(&b, 1000000, 10, 100));
	assert_false(h2_budget_take(&b, 1000000, 10, 100));
	assert_false(h2_budget_take(&b, 1000009, 10, 100));
	assert_true(h2_budget_take(&b, 1000010, 10, 100));
	assert_false(h2_budget_take(&b, 1000010, 10, 100));
	for (int i = 0; i < 10; i++)
		assert_true(h2_budget_take(&b, 9000000, 10, 100));
	assert_false(h2_budget_take(&b, 9000000, 10, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_as_http_1_1_has_them),
		cmocka_unit_test(test_fields_that_are_refused_at_once),
		cmocka_unit_test(test_requests_that_are_not_whole),
		cmocka_unit_test(test_the_size_of_a_list_counts_as_rfc_9113_says),
		cmocka_unit_test(test_answers_as_http_2_has_them),
		cmocka_unit_test(test_a_switch_of_protocols_is_a_200),
		cmocka_unit_test(test_the_handshake_of_rfc_6455),
		cmocka_unit_test(test_a_budget_comes_back_with_time),
	};

	return cmocka_run_group_tests_name("h2", tests, NULL, NULL);
}
