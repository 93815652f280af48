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
		str path;

		assert_int_equal(uri_normalise(&a, str_of(paths[i]), &path), 0);
		assert_ptr_equal(path.p, paths[i]);
		assert_int_equal(path.n, strlen(paths[i]));
		arena_done(&a);
	}
}

static void paths_are_brought_to_normal_form(void **state)
{
	static const struct {
		const char *raw, *path;
	} cases[] = {
		{"//", "/"},
		{"///a//b///", "/a/b/"},
		{"/.", "/"},
		{"/./", "/"},
		{"/a/.", "/a/"},
		{"/a/./b", "/a/b"},
		{"/a/..", "/"},
		{"/a/../", "/"},
		{"/a/b/..", "/a/"},
		{"/a/b/../..", "/"},
		{"/a/b/../../c/./d/..//e", "/c/e"},
		{"/a//../b", "/b"},
		{"/a/%2e%2e/b", "/b"},
		{"/a/%2E./b", "/b"},
		{"/a/.%2e", "/"},
		{"/%2e", "/"},
		{"/%61%62%7E%2d", "/ab~-"},
		{"/caf%c3%a9", "/caf%C3%A9"},
		{"/a%3fb%23c%25", "/a%3Fb%23c%25"},
		{"/%252e%252e/%2541", "/%252e%252e/%2541"},
		{"/x/%2e%2e%3b/", "/x/..%3B/"},
		{"/a%0d%0ab", "/a%0D%0Ab"},
		{"/http://b", "/http:/b"},
		{"/bellevue/2025/%77inter/..//summer", "/bellevue/2025/summer"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct arena a = {0};
		str path, again;

		assert_int_equal(uri_normalise(&a, str_of(cases[i].raw), &path), 0);
		expect_str(path, cases[i].path);
		assert_int_equal(uri_normalise(&a, path, &again), 0);
		assert_ptr_equal(again.p, path.p);
		arena_done(&a);
	}
}

static void tricks_are_refused(void **state)
{
	static const str paths[] = {STR_INIT(""), STR_INIT("a"), STR_INIT("*"), STR_INIT("/.."),
		STR_INIT("/../"), STR_INIT("/a/../.."), STR_INIT("/a/../../b"), STR_INIT("//.."),
		STR_INIT("/./.."), STR_INIT("/%2e%2e/"), STR_INIT("/.%2E"),
		STR_INIT("/a/%2e%2e/%2e%2e/b"), STR_INIT("/a%2fb"), STR_INIT("/a%2Fb"),
		STR_INIT("/..%2f"), STR_INIT("/a%5cb"), STR_INIT("/a%5Cb"), STR_INIT("/a\\b"),
		STR_INIT("/..\\"), STR_INIT("/%00"), STR_INIT("/a%00b"), STR_INIT("/a\0b"),
		STR_INIT("/%"), STR_INIT("/%2"), STR_INIT("/a%"), STR_INIT("/%zz"),
		STR_INIT("/%2g"), STR_INIT("/%g2"), STR_INIT("/%u002e"), STR_INIT("/%%32e"),
		STR_INIT("/a b"), STR_INIT("/a\tb"), STR_INIT("/a\r\nb"), STR_INIT("/a\x7f"),
		STR_INIT("/caf\xc3\xa9"), STR_INIT("/\xff"), STR_INIT("/a?b"), STR_INIT("/a#b")};

	(void)state;
	for (size_t i = 0; i < NITEMS(paths); i++) {
		struct arena a = {0};
		str path = STR("untouched");

		if (uri_normalise(&a, paths[i], &path) != -EINVAL)
			fail_msg("not refused: " STR_FMT, STR_ARG(paths[i]));
		expect_str(path, "untouched");
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
		cmocka_unit_test(paths_are_brought_to_normal_form),
		cmocka_unit_test(tricks_are_refused),
		cmocka_unit_test(escapes_are_decoded_for_people),
		cmocka_unit_test(hosts_are_names_or_addresses_with_a_port_or_without),
		cmocka_unit_test(names_of_hosts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
