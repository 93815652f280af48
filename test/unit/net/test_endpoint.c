/* test_endpoint.c - endpoints: how they read, and that each kind can be connected to. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/socket.h"

static void an_endpoint_reads_as_people_write_it(void **state)
{
	struct endpoint far = {.address = {.family = AF_INET6, .port = 8080}},
			unknown = {.address = {.family = AF_UNSPEC}};
	char out[ENDPOINT_TEXT_MAX];
	struct endpoint local = endpoint_local(3000, false), local6 = endpoint_local(3000, true);
	struct endpoint un = {.path = "/run/app.sock"};

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &far.address.v6), 1);
	assert_true(str_eq(endpoint_text(&local, out), STR("127.0.0.1:3000")));
	assert_true(str_eq(endpoint_text(&local6, out), STR("[::1]:3000")));
	assert_true(str_eq(endpoint_text(&far, out), STR("[2001:db8::1]:8080")));
	assert_true(str_eq(endpoint_text(&un, out), STR("/run/app.sock")));
	assert_true(str_eq(endpoint_text(&unknown, out), STR("nowhere")));
}

static void what_people_write_is_read_back(void **state)
{
	static const char *const good[] = {
		"127.0.0.1:3000", "[::1]:3000", "[fdaa::3]:65535", "192.0.2.1:1"};
	static const char *const bad[] = {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
		"127.0.0.1:65536", "127.0.0.1:-1", "::1:3000", "[::1]", "[]:80", "[127.0.0.1]:80",
		"localhost:80", "127.0.0.1 :80", "127.0.0.1:80 ", "[::1", "[::1:80", ":80",
		"[fe80::1%eth0]:80", "127.0.0.1:8080:",
		"111111111111111111111111111111111111111111111111111111111111111111:80"};

	(void)state;
	for (size_t i = 0; i < NITEMS(good); i++) {
		char out[ENDPOINT_TEXT_MAX];
		struct endpoint e;

		assert_int_equal(endpoint_parse(str_of(good[i]), &e), 0);
		assert_true(str_eq(endpoint_text(&e, out), str_of(good[i])));
	}
	for (size_t i = 0; i < NITEMS(bad); i++) {
		struct endpoint e;

		assert_int_equal(endpoint_parse(str_of(bad[i]), &e), -EINVAL);
	}
}

static void a_path_that_is_too_long_is_cut_in_words_and_refused_as_an_address(void **state)
{
	static char path[2 * ENDPOINT_TEXT_MAX];
	struct endpoint e = {.path = path};
	char out[ENDPOINT_TEXT_MAX];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(endpoint_text(&e, out).n, ENDPOINT_TEXT_MAX - 1);
	assert_int_equal(socket_connect(&e), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_reads_as_people_write_it),
		cmocka_unit_test(what_people_write_is_read_back),
		cmocka_unit_test(a_path_that_is_too_long_is_cut_in_words_and_refused_as_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
