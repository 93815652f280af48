/* test_table.c - hosts and paths, and the tenants that they belong to. */
/* SPDX-License-Identifier: MIT */
#include "confs.h"

static struct tenant_conf tenants[24];
static struct config conf;
static struct route_table *table;

static int build(void **state)
{
	size_t n = 0;

	(void)state;
	tenants[n++] = tenant_at("", "/bellevue/2025/winter", &pass_app, "", "sea");
	tenants[n++] = tenant_at("", "/bellevue/2025/summer", &strip_app, "", "sea");
	tenants[n++] = tenant_at("", "/bellevue/2025/summer/camp", &strip_app, "", "sea");
	tenants[n++] = tenant_at("", "/boston/2025/april", &pass_app, "148e45d7c20978", "");
	tenants[n++] = tenant_at("", "/boston", &pass_app, "148e45d7c20978", "");
	tenants[n++] = tenant_at("", "/2025/brindle", &pass_app, "", "iad");
	tenants[n++] = tenant_at("", "/2025/marlowe/gala", &pass_app, "", "sjc");
	tenants[n++] = tenant_at("", "/plain", &pass_app, "", "");
	tenants[n++] = tenant_at("raleigh.example.com", "", &strip_app, "", "iad");
	tenants[n++] = tenant_at("raleigh.example.com", "/2025/disney", &strip_app, "", "iad");
	tenants[n++] = tenant_at("Livermore.Example.com", "/2025/bond", &pass_app, "", "sjc");
	conf = config_of(tenants, n);
	table = route_table_new(&conf);
	return 0;
}

static int discard(void **state)
{
	(void)state;
	route_table_free(table);
	return 0;
}

struct row {
	const char *host, *path;
	enum route_found found;
	const char *id;	  /* of the tenant */
	const char *asks; /* before + path */
};

static void check(const struct row *row)
{
	struct buf asks = {0};
	struct route r;

	route_find(table, str_of(row->host), str_of(row->path), &r);
	assert_int_equal(r.found, row->found);
	assert_str(r.tenant ? r.tenant->id : STR("-"), row->id);
	buf_add(&asks, r.before);
	buf_add(&asks, r.path);
	assert_str(buf_str(&asks), row->asks);
	assert_false(r.is_by_referer);
	assert_int_equal(r.redirect_status, row->found == ROUTE_REDIRECT ? 308 : 0);
	buf_done(&asks);
}

static void longest_prefix_at_a_segment_wins(void **state)
{
	static const struct row rows[] = {
		{"x", "/bellevue/2025/winter/", ROUTE_TENANT, "bellevue/2025/winter",
			"/bellevue/2025/winter/"},
		{"x", "/bellevue/2025/winter/a/b", ROUTE_TENANT, "bellevue/2025/winter",
			"/bellevue/2025/winter/a/b"},
		{"x", "/bellevue/2025/summer/a", ROUTE_TENANT, "bellevue/2025/summer", "/a"},
		{"x", "/bellevue/2025/summer/", ROUTE_TENANT, "bellevue/2025/summer", "/"},
		{"x", "/bellevue/2025/summer/camp/a", ROUTE_TENANT, "bellevue/2025/summer/camp",
			"/a"},
		{"x", "/bellevue/2025/summer/camper", ROUTE_TENANT, "bellevue/2025/summer",
			"/camper"},
		{"x", "/boston/2025/april/x", ROUTE_TENANT, "boston/2025/april",
			"/boston/2025/april/x"},
		{"x", "/boston/2025/x", ROUTE_TENANT, "boston", "/boston/2025/x"},
		{"x", "/plain/x", ROUTE_TENANT, "plain", "/plain/x"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++)
		check(&rows[i]);
}

static void prefix_without_slash_redirects(void **state)
{
	static const struct row rows[] = {
		{"x", "/bellevue/2025/winter", ROUTE_REDIRECT, "bellevue/2025/winter",
			"/bellevue/2025/winter/"},
		{"x", "/bellevue/2025/summer", ROUTE_REDIRECT, "bellevue/2025/summer",
			"/bellevue/2025/summer/"},
		{"x", "/boston", ROUTE_REDIRECT, "boston", "/boston/"},
		{"raleigh.example.com", "/2025/disney", ROUTE_REDIRECT, "2025/disney",
			"/2025/disney/"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++)
		check(&rows[i]);
}

static void what_nobody_owns_is_nobodys(void **state)
{
	static const char *const paths[] = {"/", "/bellevueX", "/bellevu", "/BELLEVUE/2025/winter/",
		"/2025/zzz", "/2025", "/plain2/x", "/icon.png", "*", "", "/%20"};

	(void)state;
	for (size_t i = 0; i < NITEMS(paths); i++)
		check(&(struct row){"x", paths[i], ROUTE_NONE, "-", paths[i]});
}

static void unknown_tenants_of_a_placed_user_are_found(void **state)
{
	static const struct {
		const char *path, *machine, *region;
	} rows[] = {
		{"/bellevue", "", "sea"},
		{"/bellevue/", "", "sea"},
		{"/bellevue/2026/x", "", "sea"},
		{"/bellevue/2025/winters", "", "sea"},
		{"/2025/marlowe/other", "", "sjc"},
	};
	struct route r;

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		route_find(table, STR("x"), str_of(rows[i].path), &r);
		assert_int_equal(r.found, ROUTE_USER);
		assert_null(r.tenant);
		assert_str(r.machine, rows[i].machine);
		assert_str(r.region, rows[i].region);
	}
}

static void placed_tenants_tell_their_place(void **state)
{
	struct route r;

	(void)state;
	route_find(table, STR("x"), STR("/boston/2025/april/"), &r);
	assert_str(r.machine, "148e45d7c20978");
	route_find(table, STR("x"), STR("/2025/brindle/"), &r);
	assert_str(r.region, "iad");
}

static void hosts_come_before_paths(void **state)
{
	static const struct row rows[] = {
		{"raleigh.example.com", "/", ROUTE_TENANT, "raleigh.example.com", "/"},
		{"raleigh.example.com", "/bellevue/2025/winter/", ROUTE_TENANT,
			"raleigh.example.com", "/bellevue/2025/winter/"},
		{"raleigh.example.com", "/2025/disney/x", ROUTE_TENANT, "2025/disney", "/x"},
		{"RALEIGH.example.COM:8080", "/x", ROUTE_TENANT, "raleigh.example.com", "/x"},
		{"raleigh.example.com.", "/x", ROUTE_TENANT, "raleigh.example.com", "/x"},
		{"livermore.example.com", "/2025/bond/x", ROUTE_TENANT, "2025/bond",
			"/2025/bond/x"},
		{"livermore.example.com", "/plain/x", ROUTE_TENANT, "plain", "/plain/x"},
		{"example.com", "/2025/bond/x", ROUTE_NONE, "-", "/2025/bond/x"},
		{"xraleigh.example.com", "/", ROUTE_NONE, "-", "/"},
		{"", "/plain/", ROUTE_TENANT, "plain", "/plain/"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++)
		check(&rows[i]);
}

static void a_root_tenant_owns_what_is_left(void **state)
{
	struct tenant_conf two[] = {
		tenant_at("", "", &strip_app, "", ""),
		tenant_at("", "/bellevue", &strip_app, "", ""),
	};
	struct config c = config_of(two, NITEMS(two));
	struct route_table *t = route_table_new(&c);
	struct route r;

	(void)state;
	route_find(t, STR("x"), STR("/bell"), &r);
	assert_ptr_equal(r.tenant, &two[0]);
	assert_str(r.path, "/bell");
	route_find(t, STR("x"), STR("/"), &r);
	assert_ptr_equal(r.tenant, &two[0]);
	assert_int_equal(r.found, ROUTE_TENANT);
	route_find(t, STR("x"), STR("*"), &r);
	assert_ptr_equal(r.tenant, &two[0]);
	route_find(t, STR("x"), STR("/bellevue/y"), &r);
	assert_ptr_equal(r.tenant, &two[1]);
	assert_str(r.path, "/y");
	route_table_free(t);
}

static void no_tenants_is_no_trouble(void **state)
{
	struct config c = {0};
	struct route_table *t = route_table_new(&c);
	struct route r;

	(void)state;
	route_find(t, STR("x"), STR("/bellevue"), &r);
	assert_int_equal(r.found, ROUTE_NONE);
	route_table_free(t);
	route_table_free(NULL);
}

static void the_first_of_two_alike_wins(void **state)
{
	struct tenant_conf two[] = {
		tenant_at("", "/same", &pass_app, "", ""),
		tenant_at("", "/same", &strip_app, "", ""),
	};
	struct config c = config_of(two, NITEMS(two));
	struct route_table *t = route_table_new(&c);
	struct route r;

	(void)state;
	route_find(t, STR("x"), STR("/same/"), &r);
	assert_ptr_equal(r.tenant, &two[0]);
	route_table_free(t);
}

static void all_below_a_prefix_may_be_at_one_place(void **state)
{
	static const struct {
		const char *host, *path, *alone;
	} rows[] = {
		{"", "/bellevue/2025/winter/x", "/bellevue"},
		{"", "/bellevue/2031/new", "/bellevue"},
		{"", "/boston/x", "/boston"},
		/* Two users below one segment, at different places. */
		{"", "/2025/brindle/x", "/2025/brindle"},
		{"", "/2025/marlowe/gala/x", "/2025/marlowe"},
		{"", "/2025/nobody", ""},
		{"", "/plain/x", "/plain"},
		{"raleigh.example.com", "/2025/disney/x", "/2025"},
		/* A host whose own tenants may be below, elsewhere. */
		{"raleigh.example.com", "/bellevue/2025/winter/x", ""},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct route r;

		route_find(table, str_of(rows[i].host), str_of(rows[i].path), &r);
		assert_str(r.alone, rows[i].alone);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_below_a_prefix_may_be_at_one_place),
		cmocka_unit_test(longest_prefix_at_a_segment_wins),
		cmocka_unit_test(prefix_without_slash_redirects),
		cmocka_unit_test(what_nobody_owns_is_nobodys),
		cmocka_unit_test(unknown_tenants_of_a_placed_user_are_found),
		cmocka_unit_test(placed_tenants_tell_their_place),
		cmocka_unit_test(hosts_come_before_paths),
		cmocka_unit_test(a_root_tenant_owns_what_is_left),
		cmocka_unit_test(no_tenants_is_no_trouble),
		cmocka_unit_test(the_first_of_two_alike_wins),
	};

	return cmocka_run_group_tests(tests, build, discard);
}
