/* test_rewrite.c - places and cookies below a tenant's prefix, and only there. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"
#include "proxy/rewrite.h"

typedef bool rewrite_fn(struct buf *out, const struct rewrite *r, str value);

struct row {
	const char *value;
	const char *expected; /* NULL: stays */
};

static struct rewrite rewrite_for(const struct tenant_conf *tenant, bool is_by_referer)
{
	struct route route = {
		.found = ROUTE_TENANT, .tenant = tenant, .is_by_referer = is_by_referer};
	struct rewrite r;

	rewrite_init(&r, &route, STR("example.com"));
	return r;
}

/* Rewrites once and again: the second time nothing may change. */
static void check(rewrite_fn *fn, const struct rewrite *r, const struct row *row)
{
	struct buf out = {0}, again = {0};
	bool is_changed;

	buf_add(&out, STR("before "));
	is_changed = fn(&out, r, str_of(row->value));
	if (is_changed != (row->expected != NULL))
		fail_msg("\"%s\" became \"" STR_FMT "\"", row->value, STR_ARG(buf_str(&out)));
	buf_consume(&out, strlen("before "));
	expect_str(buf_str(&out), row->expected ? row->expected : "");
	if (is_changed) {
		assert_false(fn(&again, r, buf_str(&out)));
		assert_int_equal(buf_len(&again), 0);
	}
	buf_done(&out);
	buf_done(&again);
}

static void check_rows(rewrite_fn *fn, const struct rewrite *r, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(fn, r, &rows[i]);
}

static const struct row locations[] = {
	{"/login", "/b/summer/login"},
	{"{\"path\":\"/login\",\"target\":\"#x\"}",
		"{\"path\":\"/b/summer/login\",\"target\":\"#x\"}"},
	{"{ \"target\": \"#x\", \"path\": \"/caf\\u00e9\" }",
		"{\"target\":\"#x\",\"path\":\"/b/summer/caf\\u00E9\"}"},
	{"{\"path\":\"/b/summer/x\"}", NULL},
	{"{\"path\":\"login\"}", NULL},
	{"{\"path\":5}", NULL},
	{"{\"target\":\"/x\"}", NULL},
	{"{\"a\":{\"path\":\"/x\"}}", NULL},
	{"{\"path\":\"/x\"", NULL},
	{"{", NULL},
};

static const struct row destinations[] = {
	{"http://example.com/b/summer/a/new", "http://example.com/a/new"},
	{"https://Example.com:443/b/summer/a", "https://Example.com:443/a"},
	{"/b/summer/a%2Fb?x", "/a%2Fb?x"},
	{"/b/summer", "/"},
	{"http://example.com/b/summer", "http://example.com/"},
	{"/b/summers", NULL},
	{"/other", NULL},
	{"http://evil.net/b/summer/a", NULL},
	{"//example.com/b/summer/a", NULL},
	{"", NULL},
};

static const struct row conditions[] = {
	{"<http://example.com/b/summer/a> (<urn:uuid:1> [\"e\"])",
		"<http://example.com/a> (<urn:uuid:1> [\"e\"])"},
	{"</b/summer/a> (Not <DAV:no-lock>) </b/summer/b> ([\"<x>\"])",
		"</a> (Not <DAV:no-lock>) </b> ([\"<x>\"])"},
	{"(<urn:uuid:1>)", NULL},
	{"<http://evil.net/b/summer/a> (<urn:x>)", NULL},
};

static const struct row urls[] = {
	{"/login", "/b/summer/login"},
	{"/", "/b/summer/"},
	{"/login?to=/x#y", "/b/summer/login?to=/x#y"},
	{"/b/summer", NULL},
	{"/b/summer/", NULL},
	{"/b/summer/login", NULL},
	{"/b/summer?x", NULL},
	{"/b/summer#x", NULL},
	{"/b/summers", "/b/summer/b/summers"},
	{"/b", "/b/summer/b"},
	{"http://example.com/login", "http://example.com/b/summer/login"},
	{"HTTPS://Example.com/login", "HTTPS://Example.com/b/summer/login"},
	{"https://example.com:443/login", "https://example.com:443/b/summer/login"},
	{"https://example.com", "https://example.com/b/summer/"},
	{"https://example.com?x", "https://example.com/b/summer/?x"},
	{"https://example.com#x", "https://example.com/b/summer/#x"},
	{"https://example.com/b/summer/x", NULL},
	{"https://example.com//x", "https://example.com/b/summer//x"},
	{"", NULL},
	{"login", NULL},
	{"./login", NULL},
	{"?x=/y", NULL},
	{"#x", NULL},
	{"//evil.net/", NULL},
	{"/\\evil.net/", NULL},
	{"https://evil.net/", NULL},
	{"https://example.com.evil.net/x", NULL},
	{"https://example.com@evil.net/x", NULL},
	{"https://example.com:8443/x", NULL},
	{"http:/login", NULL},
	{"mailto:a@example.com", NULL},
	{"javascript:alert(1)", NULL},
};

static void urls_are_put_below_the_prefix(void **state)
{
	struct rewrite r = rewrite_for(&tenant_strip, false);

	(void)state;
	check_rows(rewrite_url, &r, urls, NITEMS(urls));
	check_rows(rewrite_location_or_json, &r, locations, NITEMS(locations));
}

static const struct row own_addresses[] = {
	{"http://127.0.0.1:4321/login?to=/x#y", "https://example.com/login?to=/x#y"},
	{"https://localhost:4321/", "https://example.com/"},
	{"HTTP://LocalHost:4321", "https://example.com"},
	{"http://0.0.0.0:4321?x", "https://example.com?x"},
	{"http://[::1]:4321/x", "https://example.com/x"},
	{"http://[::]:4321/x", "https://example.com/x"},
	{"http://127.0.0.1:4322/x", NULL},
	{"http://127.0.0.1:43210/x", NULL},
	{"http://127.0.0.1/x", NULL},
	{"http://127.0.0.2:4321/x", NULL},
	{"http://localhost.evil.net:4321/x", NULL},
	{"http://x@localhost:4321/x", NULL},
	{"http://localhost:4321@evil.net/x", NULL},
	{"http://evil.net/?to=http://localhost:4321/x", NULL},
	{"ws://localhost:4321/x", NULL},
	{"//localhost:4321/x", NULL},
	{"/x", NULL},
	{"", NULL},
};

static void an_own_address_is_that_of_the_outside(void **state)
{
	static const struct row json = {
		"{\"path\":\"http://[::]:4321/x\"}", "{\"path\":\"https://example.com/x\"}"};
	static const struct row refresh = {
		"5; url='http://[::]:4321/x'", "5; url='https://example.com/x'"};
	static const struct row link = {
		"<http://localhost:4321/a>; rel=x, </b>, <http://[::1]:4321/c>",
		"<https://example.com/a>; rel=x, </b>, <https://example.com/c>"};
	static const struct row cookie = {"a=b; Path=/; Domain=localhost", NULL};
	struct rewrite r = {.own_port = 4321, .origin = STR("https://example.com")};

	(void)state;
	check_rows(rewrite_url, &r, own_addresses, NITEMS(own_addresses));
	check(rewrite_location_or_json, &r, &json);
	check(rewrite_refresh, &r, &refresh);
	check(rewrite_link, &r, &link);
	check(rewrite_cookie, &r, &cookie);
}

static void places_in_requests_are_taken_out_of_the_prefix(void **state)
{
	struct rewrite r = rewrite_for(&tenant_strip, false);

	(void)state;
	check_rows(rewrite_destination, &r, destinations, NITEMS(destinations));
	check_rows(rewrite_if, &r, conditions, NITEMS(conditions));
}

static void nothing_to_do_where_the_prefix_is_known_or_empty(void **state)
{
	static const struct tenant_conf *const tenants[] = {
		&tenant_pass, &tenant_root, &tenant_host};

	(void)state;
	for (size_t t = 0; t < NITEMS(tenants); t++) {
		struct rewrite r = rewrite_for(tenants[t], false);

		for (size_t i = 0; i < NITEMS(urls); i++)
			check(rewrite_url, &r, &(struct row){urls[i].value, NULL});
		check(rewrite_refresh, &r, &(struct row){"0; url=/x", NULL});
		check(rewrite_link, &r, &(struct row){"</x>; rel=preload", NULL});
	}
}

static void refreshes_lead_below_the_prefix(void **state)
{
	static const struct row rows[] = {
		{"0; url=/x", "0; url=/b/summer/x"},
		{"5;URL=/x", "5;URL=/b/summer/x"},
		{"5, url = /x", "5, url = /b/summer/x"},
		{"1.5; url='/x'", "1.5; url='/b/summer/x'"},
		{"5; url=\"/x\" ; y", "5; url=\"/b/summer/x\" ; y"},
		{"5; url='/x", "5; url='/b/summer/x"},
		{"5; /x", "5; /b/summer/x"},
		{"5 /x", "5 /b/summer/x"},
		{"5; url=https://example.com/x", "5; url=https://example.com/b/summer/x"},
		{"5; url=/b/summer/x", NULL},
		{"5; url=//evil.net/", NULL},
		{"5; url=https://evil.net/", NULL},
		{"5; url=x", NULL},
		{"5; url", NULL},
		{"5; url=", NULL},
		{"5; url='", NULL},
		{"5", NULL},
		{"", NULL},
		{"x; url=/y", NULL},
		{"/x", NULL},
	};
	struct rewrite r = rewrite_for(&tenant_strip, false);

	(void)state;
	check_rows(rewrite_refresh, &r, rows, NITEMS(rows));
}

static void links_lead_below_the_prefix(void **state)
{
	static const struct row rows[] = {
		{"</a.css>; rel=preload; as=style", "</b/summer/a.css>; rel=preload; as=style"},
		{"</a>; rel=x, <b>; rel=y, </c>",
			"</b/summer/a>; rel=x, <b>; rel=y, </b/summer/c>"},
		{"</a,b>; title=\"x, </y>\\\" </z>\", </c>",
			"</b/summer/a,b>; title=\"x, </y>\\\" </z>\", </b/summer/c>"},
		{"<https://example.com/a>; rel=next", "<https://example.com/b/summer/a>; rel=next"},
		{"</b/summer/a>, </c>", "</b/summer/a>, </b/summer/c>"},
		{"</a", "</b/summer/a"},
		{"</b/summer/a>", NULL},
		{"<https://cdn.net/a>; rel=preconnect", NULL},
		{"<//cdn.net/a>", NULL},
		{"<>", NULL},
		{"<", NULL},
		{"\"</a>", NULL},
		{"x", NULL},
		{"", NULL},
	};
	struct rewrite r = rewrite_for(&tenant_strip, false);

	(void)state;
	check_rows(rewrite_link, &r, rows, NITEMS(rows));
}

static void cookies_stay_with_the_tenant(void **state)
{
	static const struct row strip[] = {
		{"a=b; path=/; HttpOnly", "a=b; Path=/b/summer; HttpOnly"},
		{"a=b;PATH=/", "a=b; Path=/b/summer"},
		{"a=b; Path = / ; Secure", "a=b; Path=/b/summer; Secure"},
		{"a=b; path=/admin; Secure", "a=b; Path=/b/summer/admin; Secure"},
		{"a=b; path=/b", "a=b; Path=/b/summer/b"},
		{"a=b; path=/b/winter", "a=b; Path=/b/summer/b/winter"},
		{"a=b; path=/b/summers", "a=b; Path=/b/summer/b/summers"},
		{"a=b; path=//", "a=b; Path=/b/summer"},
		{"a=b; path=/; path=/x", "a=b; Path=/b/summer; Path=/b/summer/x"},
		{"a=path=/; Path=/", "a=path=/; Path=/b/summer"},
		{"a=; Path=/", "a=; Path=/b/summer"},
		{"__Secure-a=b; Path=/; Secure", "__Secure-a=b; Path=/b/summer; Secure"},
		{"a=b; Path=/b/summer", NULL},
		{"a=b; Path=/b/summer/x", NULL},
		{"a=b", NULL},
		{"a=b; Secure; Max-Age=5", NULL},
		{"a=b; Path=", NULL},
		{"a=b; Path", NULL},
		{"a=b; Path=x", NULL},
		{"a=b; Path=\"/\"", NULL},
		{"a=b; XPath=/", NULL},
		{"a=b; Domain=example.com", NULL},
		{"__Host-a=b; Path=/; Secure", NULL},
		{"__HOST-a=b; Path=/; Secure", NULL},
		{"", NULL},
		{";", NULL},
		{";;;", NULL},
	};
	static const struct row pass[] = {
		{"_session=x; path=/; secure; HttpOnly; SameSite=Lax",
			"_session=x; Path=/b/winter; secure; HttpOnly; SameSite=Lax"},
		{"a=b; path=/b", "a=b; Path=/b/winter"},
		{"a=b; path=/b/", "a=b; Path=/b/winter"},
		{"a=b; path=/b/summer", "a=b; Path=/b/winter/b/summer"},
		{"a=b; path=/b/win", "a=b; Path=/b/winter/b/win"},
		{"a=b; path=/b/winter/admin", NULL},
		{"a=b; path=/b/winter/", NULL},
		{"a=b", NULL},
	};
	struct rewrite stripped = rewrite_for(&tenant_strip, false),
		       passed = rewrite_for(&tenant_pass, false);

	(void)state;
	check_rows(rewrite_cookie, &stripped, strip, NITEMS(strip));
	check_rows(rewrite_cookie, &passed, pass, NITEMS(pass));
}

/* The browser's default would be the directory at the root. */
static void cookies_by_referer_name_their_path(void **state)
{
	static const struct row rows[] = {
		{"a=b", "a=b; Path=/b/winter"},
		{"a=b; Secure", "a=b; Secure; Path=/b/winter"},
		{"a=b; Path=", "a=b; Path=; Path=/b/winter"},
		{"a=b; Path=/x; Path=", "a=b; Path=/b/winter/x; Path=; Path=/b/winter"},
		{"a=b; Path=/", "a=b; Path=/b/winter"},
		{"a=b; Path=/b/winter", NULL},
		{"__Host-a=b; Path=/", NULL},
	};
	struct rewrite r = rewrite_for(&tenant_pass, true);

	(void)state;
	check_rows(rewrite_cookie, &r, rows, NITEMS(rows));
}

static void cookies_of_a_host_do_not_reach_its_siblings(void **state)
{
	static const struct row rows[] = {
		{"a=b; Domain=example.com; Path=/", "a=b; Path=/"},
		{"a=b; Path=/; domain=.Example.com", "a=b; Path=/"},
		{"a=b; domain=example.com; domain=com", "a=b"},
		{"a=b; Domain=B.example.com; Path=/", NULL},
		{"a=b; Path=/", NULL},
		{"a=domain=x", NULL},
	};
	struct rewrite host = rewrite_for(&tenant_host, false),
		       root = rewrite_for(&tenant_root, false);

	(void)state;
	check_rows(rewrite_cookie, &host, rows, NITEMS(rows));
	for (size_t i = 0; i < NITEMS(rows); i++)
		check(rewrite_cookie, &root, &(struct row){rows[i].value, NULL});
}

/* Whatever is made of these letters: done once, it is done. */
static void rewriting_again_changes_nothing(void **state)
{
	static const char *const pieces[] = {"/", "//", "/b/summer", "/b", "https://example.com",
		"https://evil.net", "\\", "?", "#", "<", ">", "\"", "'", ";", ",", " ", "5",
		"url=", "path=", "Path=/", "domain=", "a=b", "x", "__Host-", "="};
	static rewrite_fn *const fns[] = {
		rewrite_url, rewrite_refresh, rewrite_link, rewrite_cookie};
	static const struct tenant_conf *const tenants[] = {
		&tenant_strip, &tenant_pass, &tenant_host};
	uint32_t random = 371;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct rewrite r =
			rewrite_for(tenants[next_random(&random) % 3], next_random(&random) & 1);
		rewrite_fn *fn = fns[next_random(&random) % NITEMS(fns)];
		struct buf value = {0}, once = {0}, twice = {0};

		for (unsigned n = next_random(&random) % 10; n; n--)
			buf_add(&value, str_of(pieces[next_random(&random) % NITEMS(pieces)]));
		if (fn(&once, &r, buf_str(&value)) && fn(&twice, &r, buf_str(&once)))
			fail_msg("\"" STR_FMT "\", \"" STR_FMT "\", \"" STR_FMT "\"",
				STR_ARG(buf_str(&value)), STR_ARG(buf_str(&once)),
				STR_ARG(buf_str(&twice)));
		buf_done(&value);
		buf_done(&once);
		buf_done(&twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_put_below_the_prefix),
		cmocka_unit_test(an_own_address_is_that_of_the_outside),
		cmocka_unit_test(places_in_requests_are_taken_out_of_the_prefix),
		cmocka_unit_test(nothing_to_do_where_the_prefix_is_known_or_empty),
		cmocka_unit_test(refreshes_lead_below_the_prefix),
		cmocka_unit_test(links_lead_below_the_prefix),
		cmocka_unit_test(cookies_stay_with_the_tenant),
		cmocka_unit_test(cookies_by_referer_name_their_path),
		cmocka_unit_test(cookies_of_a_host_do_not_reach_its_siblings),
		cmocka_unit_test(rewriting_again_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
