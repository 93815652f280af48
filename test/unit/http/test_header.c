/* test_header.c - the names that we know: header fields, methods, status codes. */
/* SPDX-License-Identifier: MIT */
#include "http/status.h"
#include "heads.h"

static void every_known_name_is_found_in_any_case(void **state)
{
	(void)state;
	for (enum header_id id = HEADER_OTHER + 1; id < HEADER_NIDS; id++) {
		str name = header_name(id);
		char lower[64], upper[64];

		assert_true(name.n < sizeof(lower));
		for (size_t i = 0; i < name.n; i++) {
			lower[i] = char_lower(name.p[i]);
			upper[i] = (char)(lower[i] >= 'a' && lower[i] <= 'z' ? lower[i] - 32
									     : lower[i]);
		}
		assert_int_equal(header_lookup(name), id);
		assert_int_equal(header_lookup((str){lower, name.n}), id);
		assert_int_equal(header_lookup((str){upper, name.n}), id);
	}
}

static void a_name_that_differs_in_one_bit_is_another(void **state)
{
	(void)state;
	for (enum header_id id = HEADER_OTHER + 1; id < HEADER_NIDS; id++) {
		str name = header_name(id);
		char changed[64];

		for (size_t bit = 0; bit < name.n * 8; bit++) {
			memcpy(changed, name.p, name.n);
			changed[bit / 8] = (char)(changed[bit / 8] ^ 1 << bit % 8);
			if (!str_eq_nocase((str){changed, name.n}, name))
				assert_int_not_equal(header_lookup((str){changed, name.n}), id);
		}
		memcpy(changed, name.p, name.n);
		changed[name.n] = 's';
		assert_int_not_equal(header_lookup((str){changed, name.n + 1}), id);
		assert_int_not_equal(header_lookup((str){changed, name.n - 1}), id);
	}
}

static void other_names_are_not_known(void **state)
{
	static const char *const names[] = {"", "x", "Hosts", "Sec-CH-UA", "Content_Length",
		"X-Very-Long-Name-Of-A-Header-That-Nobody-Has-Ever-Seen-Before"};

	(void)state;
	for (size_t i = 0; i < NITEMS(names); i++)
		assert_int_equal(header_lookup(str_of(names[i])), HEADER_OTHER);
	assert_int_equal(header_name(HEADER_OTHER).n, 0);
}

static void the_kinds_of_fields_are_told_apart(void **state)
{
	(void)state;
	assert_true(header_is_hop(HEADER_CONNECTION));
	assert_true(header_is_hop(HEADER_TRANSFER_ENCODING));
	assert_true(header_is_hop(HEADER_PROXY_AUTHORIZATION));
	assert_false(header_is_hop(HEADER_TRAILER));
	assert_false(header_is_hop(HEADER_OTHER));
	assert_false(header_is_hop(HEADER_HOST));
	assert_true(header_may_trail(HEADER_OTHER));
	assert_true(header_may_trail(HEADER_ETAG));
	assert_false(header_may_trail(HEADER_CONTENT_LENGTH));
	assert_false(header_may_trail(HEADER_TRANSFER_ENCODING));
	assert_false(header_may_trail(HEADER_SET_COOKIE));
}

static void fields_are_found_in_a_message(void **state)
{
	static const struct header headers[] = {
		{STR_INIT("Accept"), STR_INIT("a, \"b, c\""), HEADER_ACCEPT, false, false},
		{STR_INIT("X-Mine"), STR_INIT("1"), HEADER_OTHER, false, false},
		{STR_INIT("accept"), STR_INIT(", d ,E"), HEADER_ACCEPT, false, false},
	};
	const struct header *h = header_find(headers, 3, HEADER_ACCEPT);

	(void)state;
	assert_ptr_equal(h, &headers[0]);
	h = header_find_next(headers, 3, HEADER_ACCEPT, h);
	assert_ptr_equal(h, &headers[2]);
	assert_null(header_find_next(headers, 3, HEADER_ACCEPT, h));
	assert_null(header_find(headers, 3, HEADER_COOKIE));
	assert_ptr_equal(header_find_name(headers, 3, STR("x-mine")), &headers[1]);
	assert_null(header_find_name(headers, 3, STR("x-yours")));
	expect_str(header_value(headers, 3, HEADER_ACCEPT), "a, \"b, c\"");
	expect_str(header_value(headers, 3, HEADER_COOKIE), "");
	assert_true(header_has_token(headers, 3, HEADER_ACCEPT, STR("A")));
	assert_true(header_has_token(headers, 3, HEADER_ACCEPT, STR("e")));
	assert_false(header_has_token(headers, 3, HEADER_ACCEPT, STR("c")));
	assert_false(header_has_token(headers, 3, HEADER_ACCEPT, STR("")));
	assert_false(header_has_token(headers, 3, HEADER_COOKIE, STR("a")));
}

static void methods_are_case_sensitive(void **state)
{
	(void)state;
#define X(name, safe, idempotent) assert_int_equal(method_lookup(STR(#name)), METHOD_##name);
	METHODS(X)
#undef X
	assert_int_equal(method_lookup(STR("get")), METHOD_OTHER);
	assert_int_equal(method_lookup(STR("")), METHOD_OTHER);
	assert_int_equal(method_lookup(STR("PROPFIND")), METHOD_OTHER);
}

static void methods_know_what_may_be_repeated(void **state)
{
	(void)state;
	assert_true(method_is_safe(METHOD_GET));
	assert_true(method_is_safe(METHOD_OPTIONS));
	assert_false(method_is_safe(METHOD_PUT));
	assert_true(method_is_idempotent(METHOD_PUT));
	assert_true(method_is_idempotent(METHOD_DELETE));
	assert_false(method_is_idempotent(METHOD_POST));
	assert_false(method_is_idempotent(METHOD_PATCH));
	assert_false(method_is_idempotent(METHOD_OTHER));
	assert_false(method_is_safe(METHOD_OTHER));
}

static void status_codes_have_phrases(void **state)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} cases[] = {{100, "Continue"}, {200, "OK"}, {404, "Not Found"}, {413, "Content Too Large"},
		{511, "Network Authentication Required"}, {0, "Unknown"}, {99, "Unknown"},
		{299, "Unknown"}, {512, "Unknown"}, {999, "Unknown"}};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		expect_str(status_reason(cases[i].status), cases[i].phrase);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_known_name_is_found_in_any_case),
		cmocka_unit_test(a_name_that_differs_in_one_bit_is_another),
		cmocka_unit_test(other_names_are_not_known),
		cmocka_unit_test(the_kinds_of_fields_are_told_apart),
		cmocka_unit_test(fields_are_found_in_a_message),
		cmocka_unit_test(methods_are_case_sensitive),
		cmocka_unit_test(methods_know_what_may_be_repeated),
		cmocka_unit_test(status_codes_have_phrases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
