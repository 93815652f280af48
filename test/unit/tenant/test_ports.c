/* test_ports.c - ports for applications, sockets for clients, and the probe between them. */
/* SPDX-License-Identifier: MIT */
#include "tenant/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "supervisor/listeners.h"
#include "tenant/probe.h"

/* It is nobody else's, at ::1 neither. */
static void a_port_is_held_at_both_addresses(void **state)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int held, held6, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	unsigned port;

	(void)state;
	assert_int_equal(port_hold_both(NULL, &held, &held6, &port), 0);
	assert_true(held >= 0 && held6 >= 0);
	in.sin6_port = htons((uint16_t)port);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), -1);
	assert_int_equal(errno, EADDRINUSE);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	close(fd);
	close(held);
	close(held6);
}

static int bind_port(unsigned port, bool reuses)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = reuses;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 8) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* --- ports --- */

static void a_held_port_is_for_servers_that_set_reuseaddr(void **state)
{
	unsigned port;
	int held, fd;

	(void)state;
	assert_int_equal(port_hold(NULL, &held, &port), 0);
	assert_int_equal(bind_port(port, false), -EADDRINUSE);
	fd = bind_port(port, true);
	assert_true(fd >= 0);
	close(fd);
	close(held);
}

static void no_port_is_given_out_twice(void **state)
{
	enum { N = 200 };
	unsigned ports[N];
	int fds[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		assert_int_equal(i % 2 ? port_hold(NULL, &fds[i], &ports[i])
				       : port_listen(NULL, &fds[i], &ports[i]),
			0);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(ports[i], ports[j]);
	}
	for (int i = 0; i < N; i++)
		close(fds[i]);
}

/* Half of all ports are said: of the others there are enough. */
static void a_port_that_is_said_is_given_to_nobody_else(void **state)
{
	enum { N = 50 };
	uint64_t said[65536 / 64];
	struct config conf = {.said_ports = said};
	struct port_wish wish = {.avoids = &conf};
	unsigned port;
	int fds[N];

	(void)state;
	memset(said, 0xf0, sizeof(said));
	for (int i = 0; i < N; i++) {
		assert_int_equal(i % 2 ? port_hold(&wish, &fds[i], &port)
				       : port_listen(&wish, &fds[i], &port),
			0);
		assert_false(config_port_is_said(&conf, port));
		assert_int_equal(port & 4, 0);
	}
	for (int i = 0; i < N; i++)
		close(fds[i]);
	memset(said, 0xff, sizeof(said));
	assert_int_equal(port_hold(&wish, &fds[0], &port), -EADDRINUSE);
}

static void a_port_that_is_said_is_that_one_or_none(void **state)
{
	struct port_wish wish = {0};
	int fd, fd6, again = -1, again6 = -1;
	unsigned port;

	(void)state;
	assert_int_equal(port_hold_both(NULL, &fd, &fd6, &wish.number), 0);
	close(fd);
	close(fd6);
	assert_int_equal(port_hold_both(&wish, &fd, &fd6, &port), 0);
	assert_int_equal(port, wish.number);
	assert_int_equal(listen(fd6, 1), 0); /* somebody is at ::1 */
	close(fd);
	port = 7;
	assert_int_equal(port_hold_both(&wish, &again, &again6, &port), -EADDRINUSE);
	assert_true(again == -1 && again6 == -1);
	close(fd6);
}

/* --- listeners --- */

static struct server_conf server(const char *address, unsigned port)
{
	return (struct server_conf){.address = str_of(address), .http_port = port};
}

static void every_thread_has_a_socket_on_the_same_port(void **state)
{
	struct server_conf conf = server("127.0.0.1", 0);
	struct listeners l;
	char *reason;

	(void)state;
	assert_int_equal(listeners_open(&l, &conf, 3, &reason), 0);
	assert_int_equal(l.count, 3);
	assert_int_not_equal(l.port, 0);
	for (size_t i = 0; i < l.count; i++) {
		struct sockaddr_in in;
		socklen_t size = sizeof(in);

		assert_int_equal(getsockname(l.fds[i], (struct sockaddr *)&in, &size), 0);
		assert_int_equal(ntohs(in.sin_port), l.port);
	}
	listeners_close(&l);
}

static void by_default_both_families_are_served(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct server_conf conf = server("", 0);
	struct listeners l;
	char *reason;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(listeners_open(&l, &conf, 1, &reason), 0);
	in.sin_port = htons((uint16_t)l.port);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	close(fd);
	listeners_close(&l);
}

static void a_second_one_is_refused_and_told_who_has_the_port(void **state)
{
	struct server_conf conf = server("127.0.0.1", 0);
	struct listeners first, second;
	char *reason, expected[32];

	(void)state;
	assert_int_equal(listeners_open(&first, &conf, 2, &reason), 0);
	conf.http_port = first.port;
	assert_int_equal(listeners_open(&second, &conf, 2, &reason), -EADDRINUSE);
	snprintf(expected, sizeof(expected), "pid %d", (int)getpid());
	assert_non_null(strstr(reason, expected));
	assert_non_null(strstr(reason, "HTTP_PORT"));
	free(reason);
	listeners_close(&first);
}

static void an_address_that_is_none_is_named(void **state)
{
	struct server_conf conf = server("localhost", 0);
	struct listeners l;
	char *reason;

	(void)state;
	assert_int_equal(listeners_open(&l, &conf, 1, &reason), -EINVAL);
	assert_non_null(strstr(reason, "localhost"));
	free(reason);
}

/* --- the probe --- */

struct server {
	pthread_t thread;
	unsigned port;
	msec delay; /* before it listens */
	const char
		*answers[4]; /* one for each connection, the last one for all others; "" closes */
	_Atomic int listener;
	_Atomic msec answered_at;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	char request[1024];
	size_t i = 0;
	int fd;

	usleep((useconds_t)(s->delay * 1000));
	s->listener = bind_port(s->port, true);
	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		if (read(fd, request, sizeof(request)) < 0)
			abort();
		s->answered_at = clock_now();
		if (write(fd, s->answers[i], strlen(s->answers[i])) < 0)
			abort();
		close(fd);
		i += s->answers[i + 1] != NULL;
	}
	close(s->listener);
	return NULL;
}

static void start_server(struct server *s, int *ret_held)
{
	assert_int_equal(port_hold(NULL, ret_held, &s->port), 0);
	pthread_create(&s->thread, NULL, serve, s);
}

static void stop_server(struct server *s, int held)
{
	while (!s->listener)
		usleep(1000);
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(held);
}

struct waiting {
	struct loop *loop;
	msec ready_at;
	bool is_ipv6;
	bool has_ended;
};

static void on_ready(void *arg, bool is_ipv6)
{
	struct waiting *w = arg;

	w->is_ipv6 = is_ipv6;
	w->ready_at = clock_now();
	loop_stop(w->loop);
}

static void on_end(void *arg)
{
	struct waiting *w = arg;

	w->has_ended = true;
}

static void on_limit(struct timer *t)
{
	loop_stop(t->loop);
}

/* When the probe succeeded, 0 if it did not within `limit`. */
static msec probe_until(unsigned port, msec limit, char *why, size_t size)
{
	struct waiting w = {.loop = loop_new()};
	struct probe_target target = {
		.port = port, .request = STR("GET /up HTTP/1.1\r\nHost: x\r\n\r\n")};
	struct probe *p = probe_start(w.loop, &target, on_ready, on_end, &w);
	struct timer timer = {0};

	timer_set(&timer, w.loop, clock_now() + limit, on_limit);
	loop_run(w.loop);
	timer_cancel(&timer);
	if (!w.ready_at)
		probe_describe(p, why, size);
	if (!w.has_ended)
		probe_free(p);
	timer_set(&timer, w.loop, clock_now(), on_limit);
	loop_run(w.loop);
	loop_free(w.loop);
	assert_false(w.is_ipv6);
	return w.ready_at;
}

/* So many milliseconds of a quiet machine, on this one as it is now. */
static msec stretched(msec quiet)
{
	double wanted = 1, last_minute;
	unsigned runnable;
	FILE *file = fopen("/proc/loadavg", "re");

	assert_non_null(file);
	if (fscanf(file, "%lf %*f %*f %u/", &last_minute, &runnable) == 2)
		wanted = MAX(last_minute, (double)runnable) / (double)sysconf(_SC_NPROCESSORS_ONLN);
	fclose(file);
	return quiet * (msec)MAX(wanted + 0.5, 1.0);
}

static void it_finds_an_application_within_milliseconds(void **state)
{
	struct server s = {.delay = 150, .answers = {"HTTP/1.1 200 OK\r\n\r\n"}};
	int held;
	msec ready;

	(void)state;
	start_server(&s, &held);
	ready = probe_until(s.port, 60000, NULL, 0);
	stop_server(&s, held);
	assert_int_not_equal(ready, 0);
	assert_true(ready - s.answered_at < stretched(25));
}

static void it_asks_again_until_the_answer_is_below_500(void **state)
{
	struct server s = {
		.answers = {"HTTP/1.1 503 Busy\r\n\r\n", "", "HTTP/1.0 404 Not Found\r\n\r\n"}};
	int held;

	(void)state;
	start_server(&s, &held);
	assert_int_not_equal(probe_until(s.port, 60000, NULL, 0), 0);
	stop_server(&s, held);
}

/* Sooner or later: at any one moment it may be in the middle of a try. */
static void expect_reason(unsigned port, const char *before, const char *behind)
{
	char why[128] = "", reason[128];

	snprintf(reason, sizeof(reason), "%s127.0.0.1:%u%s", before, port, behind);

	for (int i = 0; i < 50 && strcmp(why, reason) != 0; i++)
		assert_int_equal(probe_until(port, 50, why, sizeof(why)), 0);
	assert_string_equal(why, reason);
}

static void it_says_what_it_waits_for(void **state)
{
	struct server busy = {.answers = {"HTTP/1.1 500 Oh\r\n\r\n"}},
		      other = {.answers = {"220 mail.example.com ESMTP\r\n"}};
	unsigned port;
	int fd;

	(void)state;
	assert_int_equal(port_hold(NULL, &fd, &port), 0);
	expect_reason(port, "it does not accept connections on ", ": Connection refused");
	close(fd);
	assert_int_equal(port_listen(NULL, &fd, &port), 0);
	expect_reason(port, "it accepts connections on ", " but does not answer");
	close(fd);
	start_server(&busy, &fd);
	while (!busy.listener)
		usleep(1000);
	expect_reason(busy.port, "it answers on ", " with status 500");
	stop_server(&busy, fd);
	start_server(&other, &fd);
	while (!other.listener)
		usleep(1000);
	expect_reason(other.port, "it answers on ", ", but with what is not HTTP");
	stop_server(&other, fd);
}

/* Whatever listens there: as long as it does not speak HTTP it is not ready. */
static void it_does_not_take_anything_for_an_answer(void **state)
{
	struct server s = {.answers = {"this is not HTTP\r\n\r\n"}};
	char why[128];
	int held;

	(void)state;
	start_server(&s, &held);
	assert_int_equal(probe_until(s.port, 200, why, sizeof(why)), 0);
	stop_server(&s, held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_held_port_is_for_servers_that_set_reuseaddr),
		cmocka_unit_test(a_port_is_held_at_both_addresses),
		cmocka_unit_test(no_port_is_given_out_twice),
		cmocka_unit_test(a_port_that_is_said_is_given_to_nobody_else),
		cmocka_unit_test(a_port_that_is_said_is_that_one_or_none),
		cmocka_unit_test(every_thread_has_a_socket_on_the_same_port),
		cmocka_unit_test(by_default_both_families_are_served),
		cmocka_unit_test(a_second_one_is_refused_and_told_who_has_the_port),
		cmocka_unit_test(an_address_that_is_none_is_named),
		cmocka_unit_test(it_finds_an_application_within_milliseconds),
		cmocka_unit_test(it_asks_again_until_the_answer_is_below_500),
		cmocka_unit_test(it_says_what_it_waits_for),
		cmocka_unit_test(it_does_not_take_anything_for_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
