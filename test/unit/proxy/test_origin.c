/* test_origin.c - connections to an origin are kept and used again by its own rules, wherever it
 * is, and whatever it is: no tenant is in sight. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/shared.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* What is at the other end, and a thread of the proxy that knows of it. */
struct scene {
	struct shared shared;
	struct worker *worker;
	struct origin_limits limits;
	struct origin origin;
	_Atomic uint32_t connections;
	int listener;
	char path[64];
};

static void scene_open(struct scene *s, int family)
{
	struct sockaddr_storage name = {.ss_family = (sa_family_t)family};
	struct sockaddr_un *un = (struct sockaddr_un *)&name;
	socklen_t size = sizeof(name);

	*s = (struct scene){.limits = {.idle = 1000, .fresh = 1500}};
	s->worker = calloc(1, sizeof(*s->worker));
	s->worker->shared = &s->shared;
	s->worker->loop = loop_new();
	origin_init(&s->origin, s->worker, &s->limits, &s->connections);
	if (family == AF_UNIX) {
		snprintf(s->path, sizeof(s->path), "test_origin.%d", (int)getpid());
		strcpy(un->sun_path, s->path);
		size = sizeof(*un);
		s->origin.at.path = s->path;
	} else if (family == AF_INET6) {
		((struct sockaddr_in6 *)&name)->sin6_addr = in6addr_loopback;
		size = sizeof(struct sockaddr_in6);
	} else {
		((struct sockaddr_in *)&name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		size = sizeof(struct sockaddr_in);
	}
	s->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&name, size), 0);
	assert_int_equal(listen(s->listener, 16), 0);
	if (family == AF_UNIX)
		return;
	size = sizeof(name);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&name, &size), 0);
	address_from(&s->origin.at.address, &name);
}

static void scene_close(struct scene *s)
{
	origin_close_idle(&s->origin);
	assert_int_equal(s->connections, 0);
	assert_int_equal(s->shared.nupstreams, 0);
	loop_free(s->worker->loop);
	free(s->worker);
	close(s->listener);
	if (s->path[0])
		unlink(s->path);
}

static struct upstream *connected(struct scene *s)
{
	struct upstream *u;

	assert_int_equal(upstream_connect(&s->origin, &u), 0);
	return u;
}

static void a_connection_is_used_again(int family)
{
	struct scene s;
	struct upstream *u;

	scene_open(&s, family);
	assert_null(upstream_take(&s.origin, true));
	u = connected(&s);
	assert_int_equal(s.connections, 1);
	close(accept(s.listener, NULL, NULL)); /* which is not known yet */
	upstream_give_back(u);
	assert_ptr_equal(upstream_take(&s.origin, true), u);
	assert_true(u->is_reused);
	assert_null(upstream_take(&s.origin, true));
	upstream_close(u);
	scene_close(&s);
}

static void an_origin_may_be_at_an_ipv4_address(void **state)
{
	(void)state;
	a_connection_is_used_again(AF_INET);
}

static void an_origin_may_be_at_an_ipv6_address(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	bool has_it = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0;

	(void)state;
	close(fd);
	if (!has_it)
		skip(); /* a machine without IPv6 */
	a_connection_is_used_again(AF_INET6);
}

static void an_origin_may_be_at_a_unix_socket(void **state)
{
	(void)state;
	a_connection_is_used_again(AF_UNIX);
}

static void an_origin_that_cannot_be_reached_says_why(void **state)
{
	static char long_path[200];
	struct upstream *u = NULL;
	struct scene s;

	(void)state;
	scene_open(&s, AF_UNIX);
	unlink(s.path);
	assert_int_equal(upstream_connect(&s.origin, &u), -ENOENT);
	memset(long_path, 'x', sizeof(long_path) - 1);
	s.origin.at.path = long_path;
	assert_int_equal(upstream_connect(&s.origin, &u), -ENAMETOOLONG);
	s.origin.at = (struct endpoint){.address = {.family = AF_UNSPEC}};
	assert_int_equal(upstream_connect(&s.origin, &u), -EAFNOSUPPORT);
	assert_null(u);
	scene_close(&s);
}

/* The last used first. */
static void what_was_used_last_is_used_first(void **state)
{
	struct upstream *a, *b;
	struct scene s;

	(void)state;
	scene_open(&s, AF_INET);
	a = connected(&s);
	b = connected(&s);
	upstream_give_back(a);
	upstream_give_back(b);
	assert_ptr_equal(upstream_take(&s.origin, true), b);
	assert_ptr_equal(upstream_take(&s.origin, true), a);
	upstream_close(a);
	upstream_close(b);
	scene_close(&s);
}

/* It could be closed by the other end at this moment, and nobody would know whether the request had
 * been read. */
static void what_must_not_be_repeated_takes_no_connection_that_waited_for_long(void **state)
{
	struct upstream *u;
	struct scene s;

	(void)state;
	scene_open(&s, AF_INET);
	u = connected(&s);
	upstream_give_back(u);
	assert_ptr_equal(upstream_take(&s.origin, false), u);
	upstream_give_back(u);
	u->idle_since -= s.limits.fresh + 1;
	assert_null(upstream_take(&s.origin, false));
	assert_ptr_equal(upstream_take(&s.origin, true), u);
	upstream_close(u);
	scene_close(&s);
}

static void what_is_seen_to_be_closed_is_not_given_to_what_must_not_be_repeated(void **state)
{
	struct upstream *u;
	struct scene s;
	char byte;

	(void)state;
	scene_open(&s, AF_INET);
	u = connected(&s);
	upstream_give_back(u);
	close(accept(s.listener, NULL, NULL));
	assert_int_equal(recv(u->watch.fd, &byte, 1, MSG_PEEK), 0); /* its end is here */
	assert_null(upstream_take(&s.origin, false));
	assert_int_equal(s.connections, 0);
	scene_close(&s);
}

static void connections_to_what_was_replaced_are_closed(void **state)
{
	struct upstream *idle, *busy;
	struct scene s;

	(void)state;
	scene_open(&s, AF_INET);
	idle = connected(&s);
	busy = connected(&s);
	upstream_give_back(idle);
	origin_follow(&s.origin, 1);
	assert_null(upstream_take(&s.origin, true));
	assert_int_equal(s.connections, 1); /* its answer may still come */
	upstream_give_back(busy);
	assert_int_equal(s.connections, 0);
	scene_close(&s);
}

static void a_closed_origin_keeps_nothing(void **state)
{
	struct upstream *idle, *busy;
	struct scene s;

	(void)state;
	scene_open(&s, AF_INET);
	idle = connected(&s);
	busy = connected(&s);
	upstream_give_back(idle);
	origin_close(&s.origin);
	assert_int_equal(s.connections, 1);
	upstream_give_back(busy);
	assert_int_equal(s.connections, 0);
	scene_close(&s);
}

static void limits_are_those_of_the_moment(void **state)
{
	struct upstream *u;
	struct scene s;

	(void)state;
	scene_open(&s, AF_INET);
	u = connected(&s);
	s.limits.idle = 7000;
	upstream_give_back(u);
	assert_int_equal(u->timer.at, u->idle_since + 7000);
	s.limits.idle = 3000;
	assert_ptr_equal(upstream_take(&s.origin, true), u);
	upstream_give_back(u);
	assert_int_equal(u->timer.at, u->idle_since + 3000);
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_origin_may_be_at_an_ipv4_address),
		cmocka_unit_test(an_origin_may_be_at_an_ipv6_address),
		cmocka_unit_test(an_origin_may_be_at_a_unix_socket),
		cmocka_unit_test(an_origin_that_cannot_be_reached_says_why),
		cmocka_unit_test(what_was_used_last_is_used_first),
		cmocka_unit_test(
			what_must_not_be_repeated_takes_no_connection_that_waited_for_long),
		cmocka_unit_test(
			what_is_seen_to_be_closed_is_not_given_to_what_must_not_be_repeated),
		cmocka_unit_test(connections_to_what_was_replaced_are_closed),
		cmocka_unit_test(a_closed_origin_keeps_nothing),
		cmocka_unit_test(limits_are_those_of_the_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
