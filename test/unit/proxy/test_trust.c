/* test_trust.c - which peers are believed, and who the client is then. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include <arpa/inet.h>

static struct trust *trust_of(const char *words, const char *machine)
{
	str items[8], rest = str_of(words);
	size_t n = 0;
	struct config conf = {
		.target = *machine ? TARGET_FLY : TARGET_NONE, .our_machine = str_of(machine)};

	while (n < NITEMS(items) && str_split(&rest, ' ', &items[n]))
		n++;
	conf.server.trusted_proxies = (struct str_list){items, n};
	return trust_new(&conf);
}

static struct address address_of(const char *text)
{
	struct sockaddr_storage from = {0};
	struct address a;

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&from)->sin_addr) == 1)
		from.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&from)->sin6_addr) == 1)
		from.ss_family = AF_INET6;
	address_from(&a, &from);
	return a;
}

static void peers_are_found_in_networks(void **state)
{
	static const struct {
		const char *words, *peer;
		bool is_trusted;
	} rows[] = {
		{"", "127.0.0.1", false},
		{"loopback", "127.0.0.1", true},
		{"loopback", "127.255.3.4", true},
		{"loopback", "128.0.0.1", false},
		{"loopback", "::1", true},
		{"loopback", "::2", false},
		{"loopback", "::ffff:127.0.0.1", true},
		{"loopback", "unix", true},
		{"private", "unix", false},
		{"private", "10.1.2.3", true},
		{"private", "172.15.255.255", false},
		{"private", "172.16.0.0", true},
		{"private", "172.31.255.255", true},
		{"private", "172.32.0.0", false},
		{"private", "192.168.9.9", true},
		{"private", "169.254.1.1", true},
		{"private", "100.64.0.1", true},
		{"private", "100.128.0.1", false},
		{"private", "fdaa::1", true},
		{"private", "fe80::1", true},
		{"private", "2001:db8::1", false},
		{"private", "8.8.8.8", false},
		{"203.0.113.7", "203.0.113.7", true},
		{"203.0.113.7", "203.0.113.8", false},
		{"203.0.113.0/29", "203.0.113.7", true},
		{"203.0.113.0/29", "203.0.113.8", false},
		{"203.0.113.7/24", "203.0.113.250", true},
		{"0.0.0.0/0", "9.9.9.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "9.9.9.9", true},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"2001:db8::5", "2001:db8::5", true},
		{"203.0.113.7 loopback 2001:db8::/64", "2001:db8::77", true},
		/* What cannot be read trusts nobody. */
		{"203.0.113.7/33 10.0.0/8 nonsense 1.2.3.4/ /8 ::/129", "203.0.113.7", false},
		{"203.0.113.7/-1", "203.0.113.7", false},
	};

	(void)state;
	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct trust *t = trust_of(rows[i].words, "");
		struct address peer = address_of(rows[i].peer);

		if (trust_has(t, &peer) != rows[i].is_trusted)
			fail_msg("\"%s\": %s", rows[i].words, rows[i].peer);
		trust_free(t);
	}
	trust_free(NULL);
}

static void the_edge_is_trusted_on_fly_alone(void **state)
{
	struct address edge = address_of("172.16.3.4"), flycast = address_of("fdaa:0:1::3");
	struct trust *here = trust_of("fly", ""), *there = trust_of("fly", "148e45d7c20978");

	(void)state;
	assert_false(trust_has(here, &edge));
	assert_false(trust_has(here, &flycast));
	assert_true(trust_has(there, &edge));
	assert_true(trust_has(there, &flycast));
	trust_free(here);
	trust_free(there);
}

struct row {
	const char *words, *machine, *peer, *fields;
	const char *address;
	bool is_trusted, has_edge;
};

static void check_client(const struct row *row)
{
	char *bytes = xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", row->fields);
	struct trust *t = trust_of(row->words, row->machine);
	struct address peer = address_of(row->peer);
	char text[ADDRESS_TEXT_MAX];
	struct request r;
	struct remote c;

	request_open(&r, str_of(bytes));
	trust_remote(t, &peer, address_text(&peer, text), &r.head, &c);
	expect_str(c.address, row->address);
	expect_str(c.peer, strcmp(row->peer, "unix") ? row->peer : "");
	assert_int_equal(c.is_trusted, row->is_trusted);
	assert_int_equal(c.has_edge, row->has_edge);
	assert_true(c.has_edge || !c.fly_client.n);
	request_close(&r);
	trust_free(t);
	free(bytes);
}

static void client_is_who_we_believe(void **state)
{
	static const struct row rows[] = {
		{"loopback", "", "9.9.9.9", "X-Forwarded-For: 1.1.1.1\r\n", "9.9.9.9", false,
			false},
		{"loopback", "", "127.0.0.1", "", "127.0.0.1", true, false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1", true,
			false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.1.1.1\r\n", "1.1.1.1",
			true, false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 127.0.0.9\r\n",
			"1.1.1.1", true, false},
		{"loopback", "", "127.0.0.1",
			"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1", true,
			false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: 127.0.0.7,127.0.0.8\r\n",
			"127.0.0.7", true, false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: 1.1.1.1:8080\r\n", "1.1.1.1", true,
			false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: [2001:db8::1]:80\r\n",
			"2001:db8::1", true, false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1",
			true, false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: 1.1.1.1, unknown\r\n", "127.0.0.1",
			true, false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: 1.1.1.1, <script>, 127.0.0.2\r\n",
			"127.0.0.2", true, false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For:\r\n", "127.0.0.1", true, false},
		{"loopback", "", "127.0.0.1", "X-Forwarded-For: ,,\r\n", "127.0.0.1", true, false},
		{"loopback", "", "unix", "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1", true, false},
		{"private", "", "unix", "X-Forwarded-For: 1.1.1.1\r\n", "", false, false},
		/* Off Fly nobody is the edge. */
		{"private", "", "172.16.1.1", "Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\n",
			"172.16.1.1", true, false},
		{"fly", "m", "172.16.1.1",
			"Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\nX-Forwarded-For: 3.3.3.3, 66.241.1.1\r\n",
			"3.3.3.3", true, true},
		{"fly", "m", "172.16.1.1", "Fly-Request-Id: 01H\r\nFly-Client-IP: 2001:db8::9\r\n",
			"2001:db8::9", true, true},
		{"fly", "m", "172.16.1.1", "Fly-Client-IP: 3.3.3.3\r\n", "172.16.1.1", true, false},
		{"fly", "m", "172.16.1.1", "Fly-Request-Id: 01H\r\nFly-Client-IP: x y\r\n",
			"172.16.1.1", true, true},
		/* Nor is another process of this machine, but what is named may be. */
		{"loopback private fly", "m", "127.0.0.1",
			"Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\n", "127.0.0.1", true,
			false},
		{"loopback private fly", "m", "::1",
			"Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\n", "::1", true, false},
		{"loopback private fly", "m", "unix",
			"Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\n", "", true, false},
		{"private", "m", "10.1.1.1", "Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\n",
			"10.1.1.1", true, false},
		{"127.0.0.0/8", "m", "127.0.0.1",
			"Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\n", "3.3.3.3", true, true},
		{"private", "m", "172.16.1.1", "Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\n",
			"3.3.3.3", true, true},
		{"fly", "m", "9.9.9.9", "Fly-Request-Id: 01H\r\nFly-Client-IP: 3.3.3.3\r\n",
			"9.9.9.9", false, false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++)
		check_client(&rows[i]);
}

static uint64_t key_behind(const char *peer, const char *fields)
{
	char *bytes = xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
	struct trust *t = trust_of("loopback fly", "m");
	struct address a = address_of(peer);
	char text[ADDRESS_TEXT_MAX];
	struct request r;
	struct remote c;

	request_open(&r, str_of(bytes));
	trust_remote(t, &a, address_text(&a, text), &r.head, &c);
	request_close(&r);
	trust_free(t);
	free(bytes);
	return c.key;
}

/* No peer that we trust by its address: it is believed by its marker. */
static void a_machine_of_ours_tells_of_its_client(void **state)
{
	static const struct {
		const char *fields, *address, *fly_client;
		bool has_edge;
	} rows[] = {
		{"X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1", "", false},
		{"X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1", "", false},
		{"", "", "", false}, /* its client came by a unix socket */
		{"Fly-Request-Id: 1\r\nFly-Client-IP: 3.3.3.3\r\nX-Forwarded-For: 3.3.3.3\r\n",
			"3.3.3.3", "3.3.3.3", true},
		{"Fly-Client-IP: 3.3.3.3\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1", "", false},
	};
	struct trust *t = trust_of("", "");
	struct address a = address_of("10.0.0.1");
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		char *bytes = xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", rows[i].fields);
		struct request r;
		struct remote c;

		request_open(&r, str_of(bytes));
		trust_remote(t, &a, address_text(&a, text), &r.head, &c);
		assert_false(c.is_trusted || c.is_peer || c.has_edge);
		trust_machine(t, &r.head, &c);
		assert_true(c.is_trusted && c.is_peer && c.has_edge == rows[i].has_edge);
		expect_str(c.address, rows[i].address);
		expect_str(c.fly_client, rows[i].fly_client);
		assert_true(!c.key == !*rows[i].address);
		request_close(&r);
		free(bytes);
	}
	trust_free(t);
}

static uint64_t key(const char *text)
{
	struct address a = address_of(text);

	return trust_key(&a);
}

static void a_client_has_one_key_wherever_it_is_told_from(void **state)
{
	(void)state;
	assert_int_equal(key("unix"), 0);
	assert_true(key("9.9.9.9") && key("9.9.9.9") != key("9.9.9.8"));
	assert_int_equal(key("::ffff:9.9.9.9"), key("9.9.9.9"));
	assert_int_equal(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::7"));
	assert_true(key("2001:db8:1:2::1") != key("2001:db8:1:3::1"));
	assert_true(key("::1") != 0);
	assert_int_equal(key_behind("9.9.9.9", "X-Forwarded-For: 1.1.1.1\r\n"), key("9.9.9.9"));
	assert_int_equal(key_behind("127.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n"), key("1.1.1.1"));
	assert_int_equal(
		key_behind("172.16.1.1", "Fly-Request-Id: 1\r\nFly-Client-IP: 2001:db8::9\r\n"),
		key("2001:db8::9"));
	/* Whoever that is, it is not the proxy. */
	assert_int_equal(key_behind("127.0.0.1", ""), 0);
	assert_int_equal(key_behind("127.0.0.1", "X-Forwarded-For: unknown\r\n"), 0);
	assert_int_equal(key_behind("172.16.1.1", "Fly-Request-Id: 1\r\nFly-Client-IP: x\r\n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_are_found_in_networks),
		cmocka_unit_test(the_edge_is_trusted_on_fly_alone),
		cmocka_unit_test(client_is_who_we_believe),
		cmocka_unit_test(a_machine_of_ours_tells_of_its_client),
		cmocka_unit_test(a_client_has_one_key_wherever_it_is_told_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
