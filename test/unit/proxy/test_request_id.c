/* test_request_id.c - the name of a request: the given one, or a new one. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"
#include "proxy/request_id.h"

static struct request_ids ids;

static int make_ids(void **state)
{
	(void)state;
	request_ids_init(&ids);
	return 0;
}

static void check(const char *fields, bool is_trusted, bool has_edge, const char *expected)
{
	char *bytes = xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
	struct remote client = {.is_trusted = is_trusted, .has_edge = has_edge};
	char store[REQUEST_ID_SIZE];
	struct request r;
	str id;

	request_open(&r, str_of(bytes));
	id = request_id(&ids, &r.head, &client, store);
	if (expected)
		expect_str(id, expected);
	else
		assert_ptr_equal(id.p, store);
	request_close(&r);
	free(bytes);
}

static void names_of_trusted_peers_are_kept(void **state)
{
	(void)state;
	check("X-Request-ID: abc-1_2.3:@+/=Z\r\n", true, false, "abc-1_2.3:@+/=Z");
	check("X-Request-ID: abc\r\n", false, false, NULL);
	check("X-Request-ID: abc\r\nFly-Request-Id: 01HX-iad\r\n", true, true, "abc");
	check("Fly-Request-Id: 01HX-iad\r\n", true, true, "01HX-iad");
	check("Fly-Request-Id: 01HX-iad\r\n", true, false, NULL);
}

static void odd_names_are_not(void **state)
{
	char *longest = xasprintf("%0128d", 7),
	     *too_long = xasprintf("X-Request-ID: %0129d\r\n", 7);
	char *field = xasprintf("X-Request-ID: %s\r\n", longest);

	(void)state;
	check("X-Request-ID:\r\n", true, false, NULL);
	check("X-Request-ID: a b\r\n", true, false, NULL);
	check("X-Request-ID: a\"b\r\n", true, false, NULL);
	check("X-Request-ID: <a>\r\n", true, false, NULL);
	check("X-Request-ID: \xc3\xa4\r\n", true, false, NULL);
	check(field, true, false, longest);
	check(too_long, true, false, NULL);
	free(longest);
	free(field);
	free(too_long);
}

static bool is_uuid4(str id)
{
	for (size_t i = 0; i < id.n; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash != (id.p[i] == '-'))
			return false;
		if (!is_dash && !memchr("0123456789abcdef", id.p[i], 16))
			return false;
	}
	return id.n == 36 && id.p[14] == '4' && memchr("89ab", id.p[19], 4);
}

static void new_names_differ(void **state)
{
	struct remote client = {0};
	char last[REQUEST_ID_SIZE] = {0}, store[REQUEST_ID_SIZE];
	struct request r;

	(void)state;
	request_open(&r, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	for (unsigned i = 0; i < 1000; i++) {
		str id = request_id(&ids, &r.head, &client, store);

		assert_true(is_uuid4(id));
		assert_memory_not_equal(last, store, sizeof(store));
		memcpy(last, store, sizeof(last));
	}
	request_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_trusted_peers_are_kept),
		cmocka_unit_test(odd_names_are_not),
		cmocka_unit_test(new_names_differ),
	};

	return cmocka_run_group_tests(tests, make_ids, NULL);
}
