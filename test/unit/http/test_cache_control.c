/* test_cache_control.c - what requests and responses say to caches. */
/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include "http/cache_control.h"

static struct cache_control of_response(const char *headers)
{
	struct header h[TEST_HEADERS];
	struct cache_control c;

	cache_control_of_response(h, make_headers(headers, h), &c);
	return c;
}

static struct cache_control of_request(const char *headers)
{
	struct header h[TEST_HEADERS];
	struct cache_control c;

	cache_control_of_request(h, make_headers(headers, h), &c);
	return c;
}

static void lifetimes_are_read(void **state)
{
	static const struct {
		const char *headers;
		int64_t max_age, s_maxage;
	} cases[] = {
		{"Date: x", -1, -1},
		{"Cache-Control: max-age=60", 60, -1},
		{"Cache-Control: MaX-aGe=60, S-MAXAGE=7", 60, 7},
		{"Cache-Control: public|Cache-Control: max-age=60", 60, -1},
		{"Cache-Control: max-age=\"60\"", 60, -1},
		{"Cache-Control: max-age=003600", 3600, -1},
		{"Cache-Control: s-max-age=5", -1, 5},
		{"Cache-Control: max-age=2147483647", INT32_MAX, -1},
		{"Cache-Control: max-age=2147483648", INT32_MAX, -1},
		{"Cache-Control: max-age=99999999999999999999999999", INT32_MAX, -1},
		/* stricter of two */
		{"Cache-Control: max-age=1800, max-age=1", 1, -1},
		{"Cache-Control: max-age=1|Cache-Control: max-age=1800", 1, -1},
		/* stale, since nobody knows what is meant */
		{"Cache-Control: max-age=-1", 0, -1},
		{"Cache-Control: max-age='60'", 0, -1},
		{"Cache-Control: max-age=60.0", 0, -1},
		{"Cache-Control: max-age=a60", 0, -1},
		{"Cache-Control: max-age", 0, -1},
		{"Cache-Control: max-age =60", 0, -1},
		{"Cache-Control: max-age= 60", 0, -1},
		/* other things */
		{"Cache-Control: x-max-age=60", -1, -1},
		{"Cache-Control: ext=\"max-age=60\", max-age=1", 1, -1},
		{"Cache-Control: max-age=1, ext=\"max-age=60, no-store\"", 1, -1},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct cache_control c = of_response(cases[i].headers);

		assert_int_equal(c.max_age, cases[i].max_age);
		assert_int_equal(c.s_maxage, cases[i].s_maxage);
		assert_false(c.no_store);
		assert_false(c.is_garbled);
	}
}

static void flags_are_read(void **state)
{
	struct cache_control c =
		of_response("Cache-Control: PUBLIC, No-Store,must-revalidate|Cache-Control: ,"
			    "proxy-revalidate, must-understand, no-transform, private, no-cache");

	(void)state;
	assert_true(c.is_there && c.is_public && c.no_store && c.must_revalidate);
	assert_true(c.proxy_revalidate && c.must_understand && c.no_transform && c.is_private);
	assert_true(c.no_cache);
	c = of_response("Cache-Control: publicly, no-storey");
	assert_true(c.is_there);
	assert_false(c.is_public || c.no_store || c.is_targeted);
	c = of_response("Cache-Control: stale-while-revalidate=30, stale-if-error=60");
	assert_int_equal(c.stale_while_revalidate, 30);
	assert_int_equal(c.stale_if_error, 60);
}

static void fields_are_named(void **state)
{
	struct cache_control c = of_response("Cache-Control: no-cache=\"a, b\", private=\"c\"");

	(void)state;
	assert_false(c.no_cache || c.is_private);
	expect_str(c.no_cache_fields, "a, b");
	expect_str(c.private_fields, "c");
	c = of_response("Cache-Control: no-cache=\"a\", no-cache");
	assert_true(c.no_cache);
	c = of_response("Cache-Control: no-cache=\"a\", no-cache=\"b\"");
	assert_true(c.no_cache);
	c = of_response("Cache-Control: private=");
	assert_true(c.is_private);
}

static void an_open_quote_is_noticed(void **state)
{
	(void)state;
	assert_true(of_response("Cache-Control: public, a=\"b, no-store").is_garbled);
	assert_true(of_response("Cache-Control: a=\"b\\\"").is_garbled);
	assert_false(of_response("Cache-Control: a=\"b\\\"\"").is_garbled);
}

static void fields_for_caches_like_us_come_first(void **state)
{
	struct cache_control c =
		of_response("Cache-Control: no-store|CDN-Cache-Control: max-age=9");

	(void)state;
	assert_true(c.is_targeted);
	assert_false(c.no_store);
	assert_int_equal(c.max_age, 9);
	c = of_response("CDN-Cache-Control: max-age=9|Fly-Atc-Cache-Control: no-cache");
	assert_int_equal(c.max_age, -1);
	assert_true(c.no_cache);
	c = of_response("CDN-Cache-Control: max-age=9|CDN-Cache-Control: private, no-store=?0");
	assert_int_equal(c.max_age, 9);
	assert_true(c.is_private);
	assert_false(c.no_store);
	c = of_response("CDN-Cache-Control: max-age=99999999999");
	assert_int_equal(c.max_age, INT32_MAX);
	c = of_response("CDN-Cache-Control: max-age=-5");
	assert_int_equal(c.max_age, 0);
	c = of_response("CDN-Cache-Control: max-age=\"5\"|Cache-Control: max-age=7");
	assert_int_equal(c.max_age, -1);
}

static void what_is_no_structured_field_does_not_count(void **state)
{
	static const char *const invalid[] = {"", "max-age=9, &&&", "Max-Age=9", "max-age =9",
		"max-age=9,", "max-age=9|CDN-Cache-Control: \"x"};

	(void)state;
	for (size_t i = 0; i < NITEMS(invalid); i++) {
		char headers[256];
		struct cache_control c;

		snprintf(headers, sizeof(headers), "CDN-Cache-Control: %s|Cache-Control: max-age=7",
			invalid[i]);
		c = of_response(headers);
		assert_false(c.is_targeted);
		assert_int_equal(c.max_age, 7);
	}
}

static void requests_say_what_they_take(void **state)
{
	struct cache_control c = of_request("Cache-Control: max-age=0, min-fresh=5, max-stale=7");

	(void)state;
	assert_int_equal(c.max_age, 0);
	assert_int_equal(c.min_fresh, 5);
	assert_int_equal(c.max_stale, 7);
	assert_false(c.any_max_stale);
	c = of_request("Cache-Control: max-stale, only-if-cached, max-age=x");
	assert_true(c.any_max_stale && c.only_if_cached);
	assert_int_equal(c.max_age, -1);
	assert_true(of_request("Pragma: x, No-Cache").no_cache);
	assert_false(of_request("Pragma: no-cache|Cache-Control: max-age=5").no_cache);
	assert_false(of_request("CDN-Cache-Control: no-store").is_there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lifetimes_are_read),
		cmocka_unit_test(flags_are_read),
		cmocka_unit_test(fields_are_named),
		cmocka_unit_test(an_open_quote_is_noticed),
		cmocka_unit_test(fields_for_caches_like_us_come_first),
		cmocka_unit_test(what_is_no_structured_field_does_not_count),
		cmocka_unit_test(requests_say_what_they_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
