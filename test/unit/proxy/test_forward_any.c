/* test_forward_any.c - whatever a strict parser lets in comes out as strict, with one framing and
 * no forgeries. */
/* SPDX-License-Identifier: MIT */
#include "forwarding.h"
#include "proxy/asked.h"

static const char *const lines[] = {"Accept: text/html", "Cookie: a=b; c=d",
	"X-Forwarded-For: 6.6.6.6", "X_Forwarded_For: 6.6.6.6", "X-Forwarded-Proto: https",
	"X-Forwarded-Proto: a,b", "X-Forwarded-Host: h, i", "X-Forwarded-Host: [::1]:80",
	"x-forwarded-foo: 1", "Forwarded: for=x", "SCRIPT_NAME: /x", "X-Script-Name: /x",
	"Proxy: x", "X-Request-ID: id-1", "X-Request-ID: other",
	"X-Request-Start:", "X-Request-Start: t=1", "Fly-Client-IP: 6.6.6.6", "fly-odd: 1",
	"Authorization: a", "Authorization: b", "TE: trailers", "TE: gzip", "Keep-Alive: 1",
	"Empty:", "Blanks: \t a \t ", "Destination: http://example.com/b/summer/x",
	"Destination: /b/summer", "If: <http://example.com/b/summer/x> (<urn:a>)", "api_key: 1",
	"X-Original-URL: /x", "Trailer: A", "Fly-Atc-Hop: 1.p.1:m1:a:1:1:x", "Fly-Atc-Machine: m3",
	"Expect: 100-continue", "Upgrade: websocket", "Connection: close",
	"Connection: upgrade, te", "Connection: x-named\r\nX-Named: 1",
	"Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

static void make_request(struct buf *out, uint32_t *random)
{
	static const char *const methods[] = {
		"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"};
	static const char *const framings[] = {"", "Content-Length: 0\r\n",
		"Content-Length: 77\r\n", "Transfer-Encoding: chunked\r\n"};
	unsigned n = next_random(random) % 12, minor = next_random(random) % 4 != 0;
	unsigned framing = next_random(random) % NITEMS(framings),
		 at = next_random(random) % (n + 1);

	if (framing == 3)
		minor = 1;
	buf_printf(out, "%s /a/b?c HTTP/1.%u\r\n", methods[next_random(random) % NITEMS(methods)],
		minor);
	for (unsigned i = 0; i <= n; i++) {
		if (i == at)
			buf_printf(out, "Host: example.com\r\n%s", framings[framing]);
		if (i < n)
			buf_printf(out, "%s\r\n", lines[next_random(random) % NITEMS(lines)]);
	}
	buf_add(out, STR("\r\n"));
}

static unsigned count(const struct request *r, enum header_id id)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->head.nheaders; i++)
		n += r->store[i].id == id;
	return n;
}

static void expect_no_forgeries(const struct request *r, const struct setting *s)
{
	static const enum header_id once[] = {HEADER_HOST, HEADER_X_FORWARDED_FOR,
		HEADER_X_FORWARDED_PROTO, HEADER_X_FORWARDED_HOST, HEADER_X_REQUEST_ID,
		HEADER_X_REQUEST_START};
	static const enum header_id never[] = {HEADER_FORWARDED, HEADER_PROXY, HEADER_SCRIPT_NAME,
		HEADER_KEEP_ALIVE, HEADER_EXPECT, HEADER_FLY_ATC_HOP, HEADER_FLY_ATC_MACHINE};

	for (size_t i = 0; i < NITEMS(once); i++)
		assert_int_equal(count(r, once[i]), 1);
	for (size_t i = 0; i < NITEMS(never); i++)
		assert_int_equal(count(r, never[i]), 0);
	assert_true(count(r, HEADER_X_SCRIPT_NAME) == (s->tenant == &tenant_strip));
	for (size_t i = 0; i < r->head.nheaders; i++) {
		assert_null(memchr(r->store[i].name.p, '_', r->store[i].name.n));
		if (!s->is_trusted)
			assert_true(str_find(r->store[i].value, STR("6.6.6.6")) < 0);
	}
	expect_str(request_field(r, "X-Request-ID"), TEST_ID);
	expect_str(request_field(r, "X-Original-URL"), "");
}

/* What was noted of the fields is what a parser finds. */
static void expect_noted(const struct request *r, const struct buf *out, const struct asked *asked)
{
	struct arena arena = {0};
	struct request_head noted;

	asked_head(&arena, asked, out, &noted);
	assert_int_equal(noted.nheaders, r->head.nheaders);
	for (size_t i = 0; i < noted.nheaders; i++) {
		assert_true(str_eq(noted.headers[i].name, r->store[i].name));
		assert_true(str_eq(noted.headers[i].value, r->store[i].value));
		assert_int_equal(noted.headers[i].id, r->store[i].id);
	}
	arena_done(&arena);
}

static void check(str bytes, const struct setting *s)
{
	struct asked asked = {0};
	struct request in, again;
	struct buf out = {0};

	request_open(&in, bytes);
	asked.nfields = forward_noted(&out, bytes, s, &asked.fields);
	request_open(&again, buf_str(&out));
	expect_noted(&again, &out, &asked);
	free(asked.fields);
	assert_int_equal(again.head.minor, 1);
	assert_true(str_eq(again.head.method_text, in.head.method_text));
	assert_true(again.head.has_query);
	expect_str(again.head.query, "c");
	assert_true(
		count(&again, HEADER_CONTENT_LENGTH) + count(&again, HEADER_TRANSFER_ENCODING) <=
		1);
	assert_int_equal(again.head.content_length, in.head.content_length);
	assert_int_equal(again.head.body == BODY_CHUNKED, in.head.body == BODY_CHUNKED);
	assert_int_equal(again.head.has_upgrade, forward_is_upgrade(&in.head));
	assert_true(again.head.keep_alive);
	expect_no_forgeries(&again, s);
	request_close(&again);
	request_close(&in);
	buf_done(&out);
}

static bool has_line(const struct request *r, const struct header *h)
{
	for (size_t i = 0; i < r->head.nheaders; i++)
		if (str_eq(r->store[i].name, h->name) && str_eq(r->store[i].value, h->value))
			return true;
	return false;
}

/* The same fields, wherever they stand. */
static void expect_same(const struct request *a, const struct request *b)
{
	assert_int_equal(a->head.nheaders, b->head.nheaders);
	assert_true(str_eq(a->head.target, b->head.target));
	for (size_t i = 0; i < a->head.nheaders; i++) {
		assert_true(has_line(b, &a->store[i]));
		assert_true(has_line(a, &b->store[i]));
	}
}

static void open_forwarded(struct request *ret, str bytes, const struct setting *s)
{
	struct buf out = {0};

	forward_bytes(&out, bytes, s);
	request_open(ret, buf_str(&out));
	buf_done(&out);
}

/* What the tenant of another machine sees is what it would have seen of the client itself. */
static void check_hop(str bytes, const struct setting *s)
{
	struct setting there = *s, then = *s;
	struct request direct, between, after;
	struct buf out = {0};
	char *client;

	there.hop = "1.p.1:m1:a:1:1:x";
	there.sends_files = false;
	forward_bytes(&out, bytes, &there);
	request_open(&between, buf_str(&out));
	assert_int_equal(count(&between, HEADER_FLY_ATC_HOP), 1);
	expect_str(request_field(&between, "Fly-Atc-Hop"), there.hop);
	expect_str(request_field(&between, "Fly-Atc-Machine"), "m2");
	client = str_dup(request_field(&between, "X-Forwarded-For"));
	then.is_peer = then.is_trusted = true;
	then.client = client;
	then.peer = "10.0.0.1";
	open_forwarded(&direct, bytes, s);
	open_forwarded(&after, buf_str(&out), &then);
	expect_same(&direct, &after);
	free(client);
	request_close(&direct);
	request_close(&between);
	request_close(&after);
	buf_done(&out);
}

static void whatever_comes_goes_on_unambiguous(void **state)
{
	static const struct tenant_conf *const tenants[] = {
		&tenant_root, &tenant_pass, &tenant_strip, &tenant_host};
	const struct head_limits limits = HEAD_LIMITS_DEFAULT;
	uint32_t random = 20241119;
	unsigned good = 0;

	(void)state;
	for (unsigned i = 0; i < 40000; i++) {
		struct setting s = {.tenant = tenants[next_random(&random) % 4]};
		size_t scanned = 0, used;
		struct buf bytes = {0};
		struct request r;
		unsigned status;

		s.is_trusted = next_random(&random) & 1;
		s.has_edge = s.is_trusted && next_random(&random) & 1;
		s.fly_client = s.has_edge ? "3.3.3.3" : NULL;
		s.drops_forwarded = next_random(&random) & 1;
		s.sends_files = next_random(&random) & 1;
		make_request(&bytes, &random);
		if (request_head_parse(&r.head, r.store, TEST_HEADERS, buf_str(&bytes), &scanned,
			    &limits, &used, &status) == PARSE_OK) {
			check(buf_str(&bytes), &s);
			check_hop(buf_str(&bytes), &s);
			good++;
		}
		buf_done(&bytes);
	}
	assert_true(good > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_comes_goes_on_unambiguous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
