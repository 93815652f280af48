/* test_own_url.c - URLs that lead to the host of the request, and those that only seem to. */
/* SPDX-License-Identifier: MIT */
#include "confs.h"
#include "route/own_url.h"

static void own_hosts_are_known(void **state)
{
	static const struct {
		const char *url, *host, *rest;
	} rows[] = {
		{"http://example.com/a?b#c", "example.com", "/a?b#c"},
		{"HTTPS://Example.COM/a", "eXample.com", "/a"},
		{"https://example.com", "example.com", ""},
		{"https://example.com?x=1", "example.com", "?x=1"},
		{"https://example.com#y", "example.com", "#y"},
		{"https://example.com:443/", "example.com", "/"},
		{"https://example.com/", "example.com:443", "/"},
		{"http://example.com:80/", "example.com", "/"},
		{"http://localhost:8080/x", "localhost:8080", "/x"},
		{"http://[::1]:8080/x", "[::1]:8080", "/x"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		str rest;

		assert_true(own_url(str_of(rows[i].url), str_of(rows[i].host), &rest));
		assert_str(rest, rows[i].rest);
	}
}

static void other_hosts_are_not(void **state)
{
	static const char *const urls[] = {"", "/a", "//example.com/a", "http:/example.com/",
		"ftp://example.com/", "http://example.com.evil.net/", "http://evil.net/example.com",
		"http://example.com@evil.net/", "http://example.com:pass@evil.net/",
		"http://example.com\\@evil.net/", "http://example.com:81/",
		"https://example.com:80/", "http:///a", "http://", "http:example.com", "null",
		"http://example.com%2f@evil.net/"};
	str rest = STR("untouched");

	(void)state;
	for (size_t i = 0; i < NITEMS(urls); i++)
		assert_false(own_url(str_of(urls[i]), STR("example.com"), &rest));
	assert_false(own_url(STR("http:///a"), STR_EMPTY, &rest));
	assert_str(rest, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_hosts_are_known),
		cmocka_unit_test(other_hosts_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
