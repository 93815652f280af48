/* test_refused.c - request heads that are refused: the classics of request smuggling, and plain
 * nonsense. */
/* SPDX-License-Identifier: MIT */
#include "requests.h"

#include "base/buf.h"

#define LINE "GET / HTTP/1.1\r\n"
#define HEAD LINE "Host: a\r\n"
#define CL   "Content-Length: 5\r\n"
#define TE   "Transfer-Encoding: chunked\r\n"
#define END  "\r\n"

struct refused {
	str bytes;
	unsigned status;
};
#define CASE(literal, status)                                                                      \
	{                                                                                          \
		STR_INIT(literal), status                                                          \
	}

static void expect_all_refused(const struct refused *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_refused(cases[i].bytes, cases[i].status);
}
#define EXPECT_ALL_REFUSED(cases) expect_all_refused(cases, NITEMS(cases))

static void two_ways_to_end_a_body_are_refused(void **state)
{
	static const struct refused cases[] = {
		CASE(HEAD CL TE END, 400),
		CASE(HEAD TE CL END, 400),
		CASE(HEAD "Content-Length: 0\r\n" TE END, 400),
		CASE(HEAD CL CL END, 400),
		CASE(HEAD CL "content-length: 6\r\n" END, 400),
		CASE(HEAD TE TE END, 400),
		CASE(HEAD TE "Transfer-Encoding: identity\r\n" END, 400),
		CASE(HEAD "Transfer-Encoding: identity\r\n" TE END, 400),
		CASE(HEAD "Content-Length: 5\r\nTransfer-Encoding: x\r\n" END, 400),
		CASE("GET / HTTP/1.0\r\n" TE END, 400),
		CASE("GET / HTTP/1.0\r\nConnection: keep-alive\r\n" TE END, 400),
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void lengths_that_are_not_plain_digits_are_refused(void **state)
{
	static const char *const lengths[] = {"", "+5", "-5", "0x5", "5 ,5", "5, 5", "5,5", "5 5",
		"5;", "5.0", "5e1", "\"5\"", "five", "5\xa0", "9223372036854775808",
		"18446744073709551621", "99999999999999999999999999999999999999999"};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(lengths); i++) {
		buf_printf(&b, HEAD "Content-Length: %s\r\n" END, lengths[i]);
		expect_refused(buf_str(&b), 400);
		buf_clear(&b);
	}
	buf_done(&b);
}

static void transfer_codings_must_be_chunked_alone(void **state)
{
	static const struct {
		const char *value;
		unsigned status;
	} cases[] = {
		{"", 400},
		{",", 400},
		{"chunked,", 400},
		{",chunked", 400},
		{"chunked, chunked", 400},
		{"chunked, identity", 400},
		{"chunked, gzip", 400},
		{"gzip, chunked, x", 400},
		{"chunked;q=1", 400},
		{"\"chunked\"", 400},
		{"chunked\xff", 400},
		{"chun ked", 400},
		{"chunked chunked", 400},
		{"chunked;", 400},
		{"gzip,, chunked", 400},
		{"{chunked}", 400},
		{"identity", 501},
		{"gzip", 501},
		{"gzip, chunked", 501},
		{"xchunked", 501},
		{"chunkedx", 501},
		{"identity, chunked", 501},
		{"'chunked'", 501},
		{"gzip,chunked", 501},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		buf_printf(&b, HEAD "Transfer-Encoding: %s\r\n" END, cases[i].value);
		expect_refused(buf_str(&b), cases[i].status);
		buf_clear(&b);
	}
	buf_done(&b);
}

static void disguised_framing_fields_are_refused(void **state)
{
	static const struct refused cases[] = {
		CASE(HEAD "Transfer-Encoding : chunked\r\n" END, 400),
		CASE(HEAD "Transfer-Encoding\t: chunked\r\n" END, 400),
		CASE(HEAD " Transfer-Encoding: chunked\r\n" END, 400),
		CASE(HEAD "\tTransfer-Encoding: chunked\r\n" END, 400),
		CASE(HEAD "X: y\r\n Transfer-Encoding: chunked\r\n" END, 400),
		CASE(HEAD "Transfer-Encoding:\r\n chunked\r\n" END, 400),
		CASE(HEAD "Transfer-Encoding: chunked\r\n\t, identity\r\n" END, 400),
		CASE(HEAD "Transfer-Encoding:\x0b"
			  "chunked\r\n" END,
			400),
		CASE(HEAD "Transfer-Encoding:\x0c"
			  "chunked\r\n" END,
			400),
		CASE(HEAD "Transfer-Encoding: chunked\x01\r\n" END, 400),
		CASE(HEAD "Transfer-Encoding: chunked\0\r\n" END, 400),
		CASE(HEAD "Transfer-Encoding\0: chunked\r\n" END, 400),
		CASE(HEAD "X: y\rTransfer-Encoding: chunked\r\n" END, 400),
		CASE(HEAD "X: y\nTransfer-Encoding: chunked\r\n" END, 400),
		CASE(HEAD "X: y\r\rTransfer-Encoding: chunked\r\n" END, 400),
		CASE(HEAD "Transfer-Encoding: chunked\n" END, 400),
		CASE(HEAD "Content-Length\r\n: 5\r\n" END, 400),
		CASE(HEAD "Content-Length\r\n" END, 400),
		CASE(HEAD ": 5\r\n" END, 400),
		CASE(HEAD ":\r\n" END, 400),
		CASE(HEAD "Content Length: 5\r\n" END, 400),
		CASE(HEAD "Content-Length\xff: 5\r\n" END, 400),
		CASE(HEAD "\xef\xbb\xbf"
			  "Content-Length: 5\r\n" END,
			400),
		CASE(HEAD "(Content-Length): 5\r\n" END, 400),
		CASE(HEAD "Connection: Content-Length\r\n" CL END, 400),
		CASE(HEAD "Connection: close, transfer-encoding\r\n" TE END, 400),
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void controls_are_refused_everywhere(void **state)
{
	static const str before[] = {STR_INIT("G"), STR_INIT("GET /"), STR_INIT("GET / HTT"),
		STR_INIT(HEAD "Na"), STR_INIT(HEAD "Name: val"), STR_INIT(HEAD "Name: ")};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(before); i++) {
		for (int c = 0; c < 128; c++) {
			if ((c >= 32 && c != 127) || c == '\t')
				continue;
			buf_add(&b, before[i]);
			buf_add_char(&b, (char)c);
			/* Long enough that blocks of 16 bytes are looked at. */
			buf_add(&b, STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n\r\n"));
			expect_refused(buf_str(&b), 400);
			buf_clear(&b);
		}
	}
	buf_done(&b);
}

static void bare_line_ends_are_refused(void **state)
{
	static const struct refused cases[] = {
		CASE("GET / HTTP/1.1\nHost: a\n\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\n\n", 400),
		CASE("GET / HTTP/1.1\rHost: a\r\r", 400),
		CASE("GET /\n HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void hosts_must_be_one_and_valid(void **state)
{
	static const struct refused cases[] = {
		CASE(LINE END, 400),
		CASE(LINE "Host:\r\n" END, 400),
		CASE(LINE "Host: a\r\nHost: a\r\n" END, 400),
		CASE(LINE "Host: a\r\nhost: b\r\n" END, 400),
		CASE("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n" END, 400),
		CASE(LINE "Host: a b\r\n" END, 400),
		CASE(LINE "Host: a, b\r\n" END, 400),
		CASE(LINE "Host: user@a\r\n" END, 400),
		CASE(LINE "Host: a/b\r\n" END, 400),
		CASE(LINE "Host: a:80:80\r\n" END, 400),
		CASE(LINE "Host: a:\r\n" END, 400),
		CASE(LINE "Host: a:65536\r\n" END, 400),
		CASE(LINE "Host: http://a\r\n" END, 400),
		CASE(LINE "Host: caf\xc3\xa9\r\n" END, 400),
		CASE(HEAD "Connection: host\r\n" END, 400),
		CASE("GET http://b/ HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET http://a/ HTTP/1.1\r\n" END, 400),
		CASE("CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n" END, 400),
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void request_lines_must_be_exact(void **state)
{
	static const struct refused cases[] = {
		CASE("GET /\r\nHost: a\r\n" END, 400),
		CASE("GET\r\nHost: a\r\n" END, 400),
		CASE("GET  / HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET /  HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET / HTTP/1.1 \r\nHost: a\r\n" END, 400),
		CASE("GET\t/ HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET /\tHTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET  HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE(" GET / HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("G<T / HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("G\xc3\xa9T / HTTP/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET / http/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET / HTTP/1\r\nHost: a\r\n" END, 400),
		CASE("GET / HTTP/11.1\r\nHost: a\r\n" END, 400),
		CASE("GET / HTTP/1.10\r\nHost: a\r\n" END, 400),
		CASE("GET / HTTP/1,1\r\nHost: a\r\n" END, 400),
		CASE("GET / HTTPS/1.1\r\nHost: a\r\n" END, 400),
		CASE("GET / HTTP/2.0\r\nHost: a\r\n" END, 505),
		CASE("GET / HTTP/0.9\r\nHost: a\r\n" END, 505),
		CASE("GET / HTTP/1.2\r\nHost: a\r\n" END, 505),
		CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
		CASE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
		CASE("\x80\x2e\x01", 400),
	};

	(void)state;
	EXPECT_ALL_REFUSED(cases);
}

static void targets_must_be_visible_ascii_in_their_form(void **state)
{
	static const char *const targets[] = {"GET /a#b", "GET /?a#b", "GET #", "GET /caf\xc3\xa9",
		"GET /?\xff", "GET a", "GET a/b", "GET *", "POST *", "OPTIONS **", "OPTIONS a",
		"GET ?a", "GET a:443", "GET ftp://a/", "GET http:/a/", "GET http:///",
		"GET http://", "GET http://a:b/", "GET http://u@a/", "GET http://u:p@a/",
		"GET https://a#b", "GET http://a\\b/", "CONNECT /", "CONNECT *", "CONNECT a",
		"CONNECT a:", "CONNECT a:0", "CONNECT http://a/", "CONNECT a:443/", "connect a:443",
		"GET //\x80"};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(targets); i++) {
		buf_printf(&b, "%s HTTP/1.1\r\nHost: a\r\n" END, targets[i]);
		expect_refused(buf_str(&b), 400);
		buf_clear(&b);
	}
	buf_done(&b);
}

static void connection_must_name_what_it_may(void **state)
{
	static const char *const values[] = {"host", "Content-Length", "Transfer-Encoding",
		"Cookie", "Authorization", "X-Forwarded-For", "fly-client-ip", "cache-control",
		"close, trailer", "a b", "\"close\"", "close;x", "(close)",
		"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(values); i++) {
		buf_printf(&b, HEAD "Connection: %s\r\n" END, values[i]);
		expect_refused(buf_str(&b), 400);
		buf_clear(&b);
	}
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_ways_to_end_a_body_are_refused),
		cmocka_unit_test(lengths_that_are_not_plain_digits_are_refused),
		cmocka_unit_test(transfer_codings_must_be_chunked_alone),
		cmocka_unit_test(disguised_framing_fields_are_refused),
		cmocka_unit_test(controls_are_refused_everywhere),
		cmocka_unit_test(bare_line_ends_are_refused),
		cmocka_unit_test(hosts_must_be_one_and_valid),
		cmocka_unit_test(request_lines_must_be_exact),
		cmocka_unit_test(targets_must_be_visible_ascii_in_their_form),
		cmocka_unit_test(connection_must_name_what_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
