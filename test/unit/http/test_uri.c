/* test_uri.c - paths in normal form, and hosts. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include "http/uri.h"

static void normal_paths_are_left_where_they_are(void **state)
{
	static const char *const paths[] = {"/", "/a", "/a/", "/a/b.c/d", "/bellevue/2025/winter",
		"/a;b=c,d/@!$&'()*+=:~_-", "/.well-known/acme", "/...", "/a/.b/..c/d..",
		"/caf%C3%A9", "/%252e%252e/", "/a%20b", "/..;/a", "/\"<>[]^`{|}"};

	(void)state;
	for (size_t i = 0; i < NITEMS(paths); i++) {
		struct arena a = {0};
		struct uri_path path;
		size_t at;

		assert_int_equal(uri_path_read(&a, str_of(paths[i]), &path, &at), 0);
		assert_ptr_equal(path.routed.p, paths[i]);
		assert_ptr_equal(path.sent.p, paths[i]);
		assert_ptr_equal(path.decoded.p, paths[i]);
		assert_int_equal(path.routed.n, strlen(paths[i]));
		arena_done(&a);
	}
}

static void paths_are_routed_in_normal_form_and_sent_as_they_came(void **state)
{
	static const struct {
		const char *raw, *routed, *sent;
	} cases[] = {
		{"//", "/", "//"},
		{"///a//b///", "/a/b/", "///a//b///"},
		{"/.", "/", "/"},
		{"/./", "/", "/"},
		{"/a/.", "/a/", "/a/"},
		{"/a/./b", "/a/b", "/a/b"},
		{"/a/..", "/", "/"},
		{"/a/../", "/", "/"},
		{"/a/b/..", "/a/", "/a/"},
		{"/a/b/../..", "/", "/"},
		{"/a/b/../../c/./d/../e", "/c/e", "/c/e"},
		{"/a//b/../c", "/a/c", "/a//c"},
		{"/a/%2e%2e/b", "/b", "/b"},
		{"/a/%2E./b", "/b", "/b"},
		{"/a/.%2e", "/", "/"},
		{"/%2e", "/", "/"},
		{"/%61%62%7E%2d", "/ab~-", "/%61%62%7E%2d"},
		{"/caf%c3%a9", "/caf%C3%A9", "/caf%c3%a9"},
		{"/a%3fb%23c%25", "/a%3Fb%23c%25", "/a%3fb%23c%25"},
		{"/%252e%252e/%2541", "/%252e%252e/%2541", "/%252e%252e/%2541"},
		{"/x/%2e%2e%3b/", "/x/..%3B/", "/x/%2e%2e%3b/"},
		{"/a%0d%0ab", "/a%0D%0Ab", "/a%0d%0ab"},
		{"/http://b", "/http:/b", "/http://b"},
		{"/a%2fb", "/a%2Fb", "/a%2fb"},
		{"/@scope%2Fname", "/@scope%2Fname", "/@scope%2Fname"},
		{"/a%5cb", "/a%5Cb", "/a%5cb"},
		{"/bellevue/2025/%77inter/../summer", "/bellevue/2025/summer",
			"/bellevue/2025/summer"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct arena a = {0};
		struct uri_path path, again;
		size_t at;

		assert_int_equal(uri_path_read(&a, str_of(cases[i].raw), &path, &at), 0);
		expect_str(path.routed, cases[i].routed);
		expect_str(path.sent, cases[i].sent);
		assert_int_equal(uri_path_read(&a, path.routed, &again, &at), 0);
		assert_ptr_equal(again.routed.p, path.routed.p);
		arena_done(&a);
	}
}

static void escaped_separators_are_also_read_as_separators(void **state)
{
	static const struct {
		const char *raw, *decoded;
	} cases[] = {
		{"/a%2fb", "/a/b"},
		{"/a%5Cb", "/a/b"},
		{"/a/..%2f..%2fb", NULL},
		{"/a/b/..%2fc", "/a/c"},
		{"/%2e%2e%2fa", NULL},
		{"/a/%5C..%5C", NULL},
		{"/a%2F%2Fb", "/a/b"},
		{"/https%3A%2F%2Fb", "/https%3A/b"},
		{"/a%252fb", "/a%252fb"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct arena a = {0};
		struct uri_path path;
		size_t at;
		int r = uri_path_read(&a, str_of(cases[i].raw), &path, &at);

		assert_int_equal(r, cases[i].decoded ? 0 : -EINVAL);
		if (cases[i].decoded)
			expect_str(path.decoded, cases[i].decoded);
		arena_done(&a);
	}
}

static void below_a_prefix_stands_what_was_sent(void **state)
{
	static const struct {
		const char *raw, *prefix, *below;
	} cases[] = {
		{"/a/b//c%2fd", "/a", "/a/b//c%2fd"},
		{"/a//b", "/a", "/a/b"},
		{"//%61///b//c/", "/a", "/a/b//c/"},
		{"//b//c", "", "/b//c"},
		{"/x/../a/%62", "/a", "/a/%62"},
		{"/caf%c3%a9/%c3", "/caf%C3%A9", "/caf%C3%A9/%c3"},
		{"/%61", "/a", "/a"},
		{"/a///", "/a", "/a/"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct arena a = {0};
		struct uri_path path;
		size_t at;

		assert_int_equal(uri_path_read(&a, str_of(cases[i].raw), &path, &at), 0);
		expect_str(uri_path_below(&a, &path, str_of(cases[i].prefix)), cases[i].below);
		arena_done(&a);
	}
}

static void tricks_are_refused(void **state)
{
	static const struct {
		str path;
		size_t at;
	} cases[] = {{STR_INIT(""), 0}, {STR_INIT("a"), 0}, {STR_INIT("*"), 0},
		{STR_INIT("/.."), 1}, {STR_INIT("/../"), 1}, {STR_INIT("/a/../.."), 6},
		{STR_INIT("/a/../../b"), 6}, {STR_INIT("//.."), 2}, {STR_INIT("/./.."), 3},
		{STR_INIT("/a//../b"), 4}, {STR_INIT("/a//b/../../c"), 9},
		{STR_INIT("/%2e%2e/"), 1}, {STR_INIT("/.%2E"), 1},
		{STR_INIT("/a/%2e%2e/%2e%2e/b"), 10}, {STR_INIT("/a\\b"), 2},
		{STR_INIT("/..\\"), 3}, {STR_INIT("/%00"), 1}, {STR_INIT("/a%00b"), 2},
		{STR_INIT("/a\0b"), 2}, {STR_INIT("/%"), 1}, {STR_INIT("/%2"), 1},
		{STR_INIT("/a%"), 2}, {STR_INIT("/%zz"), 1}, {STR_INIT("/%2g"), 1},
		{STR_INIT("/%g2"), 1}, {STR_INIT("/%u002e"), 1}, {STR_INIT("/%%32e"), 1},
		{STR_INIT("/a b"), 2}, {STR_INIT("/a\tb"), 2}, {STR_INIT("/a\r\nb"), 2},
		{STR_INIT("/a\x7f"), 2}, {STR_INIT("/caf\xc3\xa9"), 4}, {STR_INIT("/\xff"), 1},
		{STR_INIT("/a?b"), 2}, {STR_INIT("/a#b"), 2}, {STR_INIT("/..%2f"), 3}};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct arena a = {0};
		struct uri_path path = {STR("untouched"), STR_EMPTY, STR_EMPTY};
		size_t at = 99;

		if (uri_path_read(&a, cases[i].path, &path, &at) != -EINVAL)
			fail_msg("not refused: " STR_FMT, STR_ARG(cases[i].path));
		expect_str(path.routed, "untouched");
		assert_int_equal(at, cases[i].at);
		arena_done(&a);
	}
}

static void escapes_are_decoded_for_people(void **state)
{
	struct arena a = {0};

	(void)state;
	expect_str(uri_decode(&a, STR("/plain")), "/plain");
	expect_str(uri_decode(&a, STR("/a%20b%2Fc%c3%a9")), "/a b/c\xc3\xa9");
	expect_str(uri_decode(&a, STR("%%2%zz%4")), "%%2%zz%4");
	expect_str(uri_decode(&a, STR("%2541")), "%41");
	arena_done(&a);
}

static void hosts_are_names_or_addresses_with_a_port_or_without(void **state)
{
	static const struct {
		const char *host, *name;
		unsigned port;
	} good[] = {
		{"a", "a", 0},
		{"Example.COM", "Example.COM", 0},
		{"my_app.internal:8080", "my_app.internal", 8080},
		{"127.0.0.1", "127.0.0.1", 0},
		{"127.0.0.1:65535", "127.0.0.1", 65535},
		{"a.:80", "a.", 80},
		{"[::1]", "[::1]", 0},
		{"[::1]:80", "[::1]", 80},
		{"[fdaa:0:1::3]:8080", "[fdaa:0:1::3]", 8080},
		{"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", 0},
	};
	static const char *const bad[] = {"", ":", ":80", "a:", "a:b", "a:80:80", "a:65536",
		"a:000080", "a:-1", "u@a", "a/b", "a b", "a,b", "a%41", "a;b", "a'b", "a\"b", "<a>",
		"a?b", "a#b", "a\\b", "::1", "[::1", "[]", "[::1]x", "[::1]:", "[::1]:x",
		"[1.2.3.4]", "[::g]", "[fe80::1%25eth0]", "[v1.x]", "a[::1]", "[:::::::]",
		"[11111::]"};

	(void)state;
	for (size_t i = 0; i < NITEMS(good); i++) {
		unsigned port;
		str name;

		assert_true(uri_host_is_valid(str_of(good[i].host)));
		uri_host_split(str_of(good[i].host), &name, &port);
		expect_str(name, good[i].name);
		assert_int_equal(port, good[i].port);
	}
	for (size_t i = 0; i < NITEMS(bad); i++)
		if (uri_host_is_valid(str_of(bad[i])))
			fail_msg("accepted: %s", bad[i]);
}

static void names_of_hosts_are_bounded(void **state)
{
	char name[256];

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_true(uri_host_is_valid((str){name, 255}));
	assert_false(uri_host_is_valid((str){name, 256}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_paths_are_left_where_they_are),
		cmocka_unit_test(paths_are_routed_in_normal_form_and_sent_as_they_came),
		cmocka_unit_test(escaped_separators_are_also_read_as_separators),
		cmocka_unit_test(below_a_prefix_stands_what_was_sent),
		cmocka_unit_test(tricks_are_refused),
		cmocka_unit_test(escapes_are_decoded_for_people),
		cmocka_unit_test(hosts_are_names_or_addresses_with_a_port_or_without),
		cmocka_unit_test(names_of_hosts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
