/* test_referer.c - paths at the root that a tenant's page asks for. */
/* SPDX-License-Identifier: MIT */
#include "confs.h"

#define HOST "example.com"

static struct tenant_conf tenants[] = {
	{0}, {0}, {0}, /* filled by build */
};
static struct config conf;
static struct route_table *table;

static int build(void **state)
{
	(void)state;
	tenants[0] = tenant_at("", "/bellevue/2025/winter", &pass_app, "", "sea");
	tenants[1] = tenant_at("", "/boston/2025/april", &strip_app, "", "");
	tenants[2] = tenant_at("livermore.example.com", "/2025/bond", &pass_app, "", "");
	conf = config_of(tenants, NITEMS(tenants));
	table = route_table_new(&conf);
	return 0;
}

static int discard(void **state)
{
	(void)state;
	route_table_free(table);
	return 0;
}

static struct route_asker asker(const char *path, const char *referer)
{
	return (struct route_asker){
		.host = STR(HOST),
		.path = str_of(path),
		.referer = str_of(referer),
		.origin = STR_EMPTY,
		.is_get = true,
	};
}

static void page_of_a_tenant_gets_its_files(void **state)
{
	static const struct {
		const char *referer;
		size_t tenant;
		const char *before, *path;
	} rows[] = {
		{"https://" HOST "/bellevue/2025/winter/posts", 0, "/bellevue/2025/winter",
			"/icon.png"},
		{"http://" HOST "/bellevue/2025/winter/?a=/boston", 0, "/bellevue/2025/winter",
			"/icon.png"},
		{"https://" HOST "/bellevue/2025/winter", 0, "/bellevue/2025/winter", "/icon.png"},
		{"https://EXAMPLE.com:443/boston/2025/april/x#y", 1, "", "/icon.png"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct route_asker a = asker("/icon.png", rows[i].referer);
		struct route r;

		assert_true(route_by_referer(table, &a, &r));
		assert_int_equal(r.found, ROUTE_TENANT);
		assert_ptr_equal(r.tenant, &tenants[rows[i].tenant]);
		assert_str(r.before, rows[i].before);
		assert_str(r.path, rows[i].path);
		assert_str(r.region, rows[i].tenant ? "" : "sea");
		assert_true(r.is_by_referer);
	}
}

static void strangers_get_nothing(void **state)
{
	static const char *const referers[] = {"", "https://evil.net/bellevue/2025/winter/",
		"https://" HOST "/", "https://" HOST "/bellevue", "https://" HOST "/other",
		"/bellevue/2025/winter/", "https://" HOST ":8080/bellevue/2025/winter/",
		"https://" HOST "@evil.net/bellevue/2025/winter/", "https://" HOST "/2025/bond/"};

	(void)state;
	for (size_t i = 0; i < NITEMS(referers); i++) {
		struct route_asker a = asker("/icon.png", referers[i]);
		struct route r = {.found = ROUTE_NONE};

		assert_false(route_by_referer(table, &a, &r));
		assert_int_equal(r.found, ROUTE_NONE);
	}
}

static void only_reading_goes_by_referer(void **state)
{
	struct route_asker a = asker("/posts", "https://" HOST "/bellevue/2025/winter/");
	struct route r;

	(void)state;
	a.is_get = false;
	assert_false(route_by_referer(table, &a, &r));
}

static void navigation_is_sent_below_the_prefix(void **state)
{
	static const char *const prefixes[] = {"/bellevue/2025/winter", "/boston/2025/april"};

	(void)state;
	for (size_t i = 0; i < NITEMS(prefixes); i++) {
		char *referer = xasprintf("https://" HOST "%s/", prefixes[i]);
		struct route_asker a = asker("/login", referer);
		struct route r;

		a.is_navigation = true;
		assert_true(route_by_referer(table, &a, &r));
		assert_int_equal(r.found, ROUTE_REDIRECT);
		assert_int_equal(r.redirect_status, 307);
		assert_str(r.before, prefixes[i]);
		assert_str(r.path, "/login");
		free(referer);
	}
}

static void handshake_goes_by_referer(void **state)
{
	struct route_asker a = asker("/cable", "https://" HOST "/bellevue/2025/winter/");
	struct route r;

	(void)state;
	a.is_upgrade = true;
	a.origin = STR("https://" HOST);
	assert_true(route_by_referer(table, &a, &r));
	assert_ptr_equal(r.tenant, &tenants[0]);
	assert_int_equal(r.found, ROUTE_TENANT);
	assert_str(r.before, "/bellevue/2025/winter");
}

static void handshake_goes_by_origin_where_one_tenant_is_meant(void **state)
{
	struct tenant_conf one[] = {tenant_at("", "/bellevue/2025/winter", &pass_app, "", "")};
	struct config c = config_of(one, 1);
	struct route_table *t = route_table_new(&c);
	struct route_asker a = asker("/cable", "");
	struct route r;

	(void)state;
	a.is_upgrade = true;
	a.origin = STR("https://" HOST);
	assert_false(route_by_referer(table, &a, &r)); /* two tenants */
	assert_true(route_by_referer(t, &a, &r));
	assert_ptr_equal(r.tenant, &one[0]);
	a.origin = STR("https://evil.net");
	assert_false(route_by_referer(t, &a, &r));
	a.origin = STR("null");
	assert_false(route_by_referer(t, &a, &r));
	a.origin = STR_EMPTY;
	assert_false(route_by_referer(t, &a, &r));
	a.origin = STR("https://" HOST);
	a.is_upgrade = false;
	assert_false(route_by_referer(t, &a, &r));
	route_table_free(t);
}

static void the_one_tenant_of_a_host_is_meant(void **state)
{
	struct tenant_conf two[] = {
		tenant_at("a.example.com", "/x", &pass_app, "", ""),
		tenant_at("b.example.com", "/x", &pass_app, "", ""),
	};
	struct config c = config_of(two, 2);
	struct route_table *t = route_table_new(&c);
	struct route_asker a = asker("/cable", "");
	struct route r;

	(void)state;
	a.is_upgrade = true;
	a.host = STR("b.example.com");
	a.origin = STR("https://b.example.com");
	assert_true(route_by_referer(t, &a, &r));
	assert_ptr_equal(r.tenant, &two[1]);
	a.origin = STR("https://a.example.com");
	assert_false(route_by_referer(t, &a, &r));
	route_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_of_a_tenant_gets_its_files),
		cmocka_unit_test(strangers_get_nothing),
		cmocka_unit_test(only_reading_goes_by_referer),
		cmocka_unit_test(navigation_is_sent_below_the_prefix),
		cmocka_unit_test(handshake_goes_by_referer),
		cmocka_unit_test(handshake_goes_by_origin_where_one_tenant_is_meant),
		cmocka_unit_test(the_one_tenant_of_a_host_is_meant),
	};

	return cmocka_run_group_tests(tests, build, discard);
}
