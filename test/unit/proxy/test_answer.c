/* test_answer.c - what a client sees of a tenant's answer. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"
#include "proxy/answer.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

struct setting {
	const struct tenant_conf *tenant; /* NULL: nothing is rewritten */
	unsigned minor;
	bool closes;
	enum method method;
};

static void answer_bytes(struct buf *out, str bytes, const struct setting *s)
{
	struct route route = {.found = ROUTE_TENANT, .tenant = s->tenant};
	struct rewrite rewrite;
	struct response r;
	enum body_kind framing;

	response_open(&r, bytes, s->method ? s->method : METHOD_GET);
	if (s->tenant)
		rewrite_init(&rewrite, &route, STR("example.com"));
	framing = answer_framing(&r.head, s->minor);
	answer_head(out, &r.head,
		&(struct answer_in){
			.minor = s->minor,
			.framing = framing,
			.keep_alive = !s->closes && framing != BODY_UNTIL_CLOSE,
			.date = STR(DATE),
			.rewrite = s->tenant ? &rewrite : NULL,
		});
	response_close(&r);
}

static void expect_answer(const char *bytes, const struct setting *s, const char *expected)
{
	struct buf out = {0};

	answer_bytes(&out, str_of(bytes), s);
	expect_str(buf_str(&out), expected);
	buf_done(&out);
}

static const struct setting plain = {.minor = 1}, old = {.minor = 0};

static void order_spelling_and_reason_stay(void **state)
{
	(void)state;
	expect_answer(
		"HTTP/1.1 200 Fine, thanks\r\ndate: x\r\nSERVER:a\r\nX: 1\r\nX:  2 \r\nContent-length: 5\r\n\r\n",
		&plain,
		"HTTP/1.1 200 Fine, thanks\r\ndate: x\r\nSERVER:a\r\nX: 1\r\nX:  2 \r\nContent-length: 5\r\n\r\n");
	expect_answer("HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n", &plain,
		"HTTP/1.1 599 \r\nContent-Length: 0\r\nDate: " DATE "\r\n\r\n");
}

static void hop_by_hop_fields_and_file_names_stay_behind(void **state)
{
	static const char *const dropped[] = {"Connection: close", "Connection: X-P\r\nX-P: 1",
		"Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Upgrade: h2c",
		"X-Sendfile: /etc/passwd", "X-Accel-Redirect: /secret"};

	(void)state;
	for (size_t i = 0; i < NITEMS(dropped); i++) {
		char *first = xasprintf(
			"HTTP/1.1 200 OK\r\n%s\r\nA: 1\r\nDate: d\r\nContent-Length: 0\r\n\r\n",
			dropped[i]);
		char *middle = xasprintf(
			"HTTP/1.1 200 OK\r\nA: 1\r\n%s\r\nDate: d\r\nContent-Length: 0\r\n\r\n",
			dropped[i]);
		char *last = xasprintf(
			"HTTP/1.1 200 OK\r\nA: 1\r\nDate: d\r\nContent-Length: 0\r\n%s\r\n\r\n",
			dropped[i]);
		const char *expected =
			"HTTP/1.1 200 OK\r\nA: 1\r\nDate: d\r\nContent-Length: 0\r\n\r\n";

		expect_answer(first, &plain, expected);
		expect_answer(middle, &plain, expected);
		expect_answer(last, &plain, expected);
		free(first);
		free(middle);
		free(last);
	}
}

static void framing_suits_the_client(void **state)
{
	static const char chunked[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: d\r\n\r\n";
	static const char until_close[] = "HTTP/1.0 200 OK\r\nDate: d\r\n\r\n";
	static const char known[] = "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 3\r\n\r\n";
	static const char as_chunked[] =
		"HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char as_closed[] = "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\n";

	(void)state;
	expect_answer(chunked, &plain, as_chunked);
	expect_answer(until_close, &plain, as_chunked);
	expect_answer(known, &plain, known);
	expect_answer(chunked, &old, as_closed);
	expect_answer(until_close, &old, as_closed);
	expect_answer(known, &old,
		"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n");
	expect_answer(known, &(struct setting){.minor = 1, .closes = true},
		"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
}

static void answers_without_body_have_no_framing(void **state)
{
	const struct setting head = {.minor = 1, .method = METHOD_HEAD};

	(void)state;
	expect_answer("HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 9\r\n\r\n", &head,
		"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 9\r\n\r\n");
	expect_answer("HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n", &head,
		"HTTP/1.1 200 OK\r\nDate: d\r\n\r\n");
	expect_answer("HTTP/1.1 304 Not Modified\r\nDate: d\r\nContent-Length: 9\r\n\r\n", &plain,
		"HTTP/1.1 304 Not Modified\r\nDate: d\r\nContent-Length: 9\r\n\r\n");
	expect_answer("HTTP/1.1 204 No Content\r\nDate: d\r\nContent-Length: 0\r\n\r\n", &plain,
		"HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n");
}

static void interim_answers_and_upgrades_pass(void **state)
{
	(void)state;
	expect_answer("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n", &plain,
		"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
	expect_answer("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
		&(struct setting){.minor = 1, .tenant = &tenant_strip},
		"HTTP/1.1 103 Early Hints\r\nLink: </b/summer/a.css>; rel=preload\r\n\r\n");
	expect_answer("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", &plain,
		"HTTP/1.1 100 Continue\r\n\r\n");
	expect_answer(
		"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nUpgrade: WebSocket\r\n"
		"Sec-WebSocket-Accept: x\r\n\r\n",
		&plain,
		"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\n"
		"Upgrade: WebSocket\r\n\r\n");
}

static void places_are_rewritten_where_they_stand(void **state)
{
	static const char bytes[] =
		"HTTP/1.1 302 Found\r\nA: 1\r\nLocation: /x\r\nB: 2\r\nset-cookie: a=b; path=/\r\n"
		"Set-Cookie: c=d\r\nContent-Location: /y\r\nRefresh: 0; url=/z\r\nLink: </l>\r\n"
		"Date: d\r\nContent-Length: 0\r\n\r\n";

	(void)state;
	expect_answer(bytes, &(struct setting){.minor = 1, .tenant = &tenant_strip},
		"HTTP/1.1 302 Found\r\nA: 1\r\nLocation: /b/summer/x\r\nB: 2\r\nset-cookie: a=b; Path=/b/summer\r\n"
		"Set-Cookie: c=d\r\nContent-Location: /b/summer/y\r\nRefresh: 0; url=/b/summer/z\r\n"
		"Link: </b/summer/l>\r\nDate: d\r\nContent-Length: 0\r\n\r\n");
	expect_answer(bytes, &(struct setting){.minor = 1, .tenant = &tenant_pass},
		"HTTP/1.1 302 Found\r\nA: 1\r\nLocation: /x\r\nB: 2\r\nset-cookie: a=b; Path=/b/winter\r\n"
		"Set-Cookie: c=d\r\nContent-Location: /y\r\nRefresh: 0; url=/z\r\nLink: </l>\r\n"
		"Date: d\r\nContent-Length: 0\r\n\r\n");
	expect_answer(bytes, &(struct setting){.minor = 1, .tenant = &tenant_root}, bytes);
	expect_answer(bytes, &plain, bytes);
}

static const char *const lines[] = {"Content-Type: text/html", "Set-Cookie: a=b; path=/",
	"Set-Cookie: a=b", "Location: /x", "Location: https://example.com/x", "Link: </a>, </b>",
	"Refresh: 1; url=/", "Empty:", "Blanks: \t a \t ", "X-Sendfile: /x", "Connection: close",
	"Connection: keep-alive", "Connection: x-n\r\nX-N: 1", "Keep-Alive: 1", "Date: d",
	"Trailer: T", "Upgrade: h2c", "Vary: Accept", "X-Accel-Buffering: no"};

static void make_response(struct buf *out, uint32_t *random)
{
	static const char *const framings[] = {"", "Content-Length: 0\r\n",
		"Content-Length: 77\r\n", "Transfer-Encoding: chunked\r\n"};
	static const unsigned statuses[] = {200, 201, 204, 206, 302, 304, 404, 500, 599};
	unsigned n = next_random(random) % 12, at = next_random(random) % (n + 1);

	buf_printf(out, "HTTP/1.%u %u Reason\r\n", next_random(random) % 4 != 0,
		statuses[next_random(random) % NITEMS(statuses)]);
	for (unsigned i = 0; i <= n; i++) {
		if (i == at)
			buf_printf(out, "%s", framings[next_random(random) % NITEMS(framings)]);
		if (i < n)
			buf_printf(out, "%s\r\n", lines[next_random(random) % NITEMS(lines)]);
	}
	buf_add(out, STR("\r\n"));
}

static unsigned count(const struct response *r, enum header_id id)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->head.nheaders; i++)
		n += r->store[i].id == id;
	return n;
}

static void check_any(str bytes, const struct setting *s)
{
	struct response in, out_head;
	struct buf out = {0};
	enum body_kind framing;

	response_open(&in, bytes, s->method);
	answer_bytes(&out, bytes, s);
	response_open(&out_head, buf_str(&out), s->method);
	framing = answer_framing(&in.head, s->minor);
	assert_int_equal(out_head.body.n, 0);
	assert_int_equal(out_head.head.status, in.head.status);
	assert_int_equal(out_head.head.body, framing);
	assert_int_equal(out_head.head.content_length, in.head.content_length);
	assert_true(count(&out_head, HEADER_DATE) >= 1);
	assert_true(count(&out_head, HEADER_CONTENT_LENGTH) +
			    count(&out_head, HEADER_TRANSFER_ENCODING) <=
		    1);
	assert_true(count(&out_head, HEADER_CONNECTION) <= 1);
	assert_int_equal(count(&out_head, HEADER_X_SENDFILE) + count(&out_head, HEADER_KEEP_ALIVE) +
				 count(&out_head, HEADER_UPGRADE),
		0);
	assert_int_equal(count(&out_head, HEADER_SET_COOKIE), count(&in, HEADER_SET_COOKIE));
	if (s->closes || framing == BODY_UNTIL_CLOSE)
		assert_false(out_head.head.keep_alive);
	response_close(&in);
	response_close(&out_head);
	buf_done(&out);
}

static void whatever_comes_goes_on_unambiguous(void **state)
{
	static const struct tenant_conf *const tenants[] = {
		NULL, &tenant_root, &tenant_pass, &tenant_strip, &tenant_host};
	const struct head_limits limits = HEAD_LIMITS_DEFAULT;
	uint32_t random = 1994;
	unsigned good = 0;

	(void)state;
	for (unsigned i = 0; i < 40000; i++) {
		struct setting s = {.tenant = tenants[next_random(&random) % NITEMS(tenants)]};
		struct buf bytes = {0};
		size_t scanned = 0, used;
		struct response r;
		unsigned status;

		s.minor = next_random(&random) & 1;
		s.closes = next_random(&random) & 1;
		s.method = next_random(&random) & 1 ? METHOD_HEAD : METHOD_GET;
		make_response(&bytes, &random);
		if (response_head_parse(&r.head, r.store, TEST_HEADERS, buf_str(&bytes), &scanned,
			    &limits, s.method, &used, &status) == PARSE_OK) {
			check_any(buf_str(&bytes), &s);
			good++;
		}
		buf_done(&bytes);
	}
	assert_true(good > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_spelling_and_reason_stay),
		cmocka_unit_test(hop_by_hop_fields_and_file_names_stay_behind),
		cmocka_unit_test(framing_suits_the_client),
		cmocka_unit_test(answers_without_body_have_no_framing),
		cmocka_unit_test(interim_answers_and_upgrades_pass),
		cmocka_unit_test(places_are_rewritten_where_they_stand),
		cmocka_unit_test(whatever_comes_goes_on_unambiguous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
