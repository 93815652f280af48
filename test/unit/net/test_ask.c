/* test_ask.c - one request and its answer, by servers that mean no good. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "net/ask.h"

#define MAX_BODY 100000u

/* What it does with the one connection that it takes. */
struct server {
	str answer;	 /* after the request's head */
	size_t piece;	 /* bytes at a time; 0: all at once */
	str again;	 /* sent after it again and again, until the client has gone */
	bool stays;	 /* open, until the client has gone */
	bool resets;	 /* closes with what was sent to it unread */
	bool is_unasked; /* answers before it has read anything */
	str asked;	 /* what it was sent; freed by the next scene */
	int listener;
	pthread_t thread;
};

static struct ask_request request;
static char path[64];

/* What came. */
static struct {
	struct loop *loop;
	struct ask *ask;
	unsigned connected, heads, pieces, ends;
	unsigned status;
	struct buf body;
	int error;
	enum ask_step step;
	char text[256];
	/* What the client does. */
	unsigned cancel_at; /* this callback, counted from 1 */
} got;

static bool send_piece(int fd, str s)
{
	while (s.n) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		s = str_slice(s, (size_t)n, s.n);
	}
	return true;
}

static void read_request(struct server *s, int fd)
{
	struct buf in = {0};

	while (str_find(buf_str(&in), STR("\r\n\r\n")) < 0) {
		ssize_t n = recv(fd, buf_room(&in, 4096), 4096, 0);

		if (n <= 0)
			break;
		buf_added(&in, (size_t)n);
	}
	s->asked = (str){str_dup(buf_str(&in)), buf_len(&in)};
	buf_done(&in);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	struct linger hard = {1, 0};
	int fd = accept(s->listener, NULL, NULL);
	bool goes_on = true;
	char byte;

	if (!s->is_unasked)
		read_request(s, fd);
	for (size_t at = 0; goes_on && at < s->answer.n;) {
		size_t n = MIN(s->piece ? s->piece : s->answer.n, s->answer.n - at);

		goes_on = send_piece(fd, str_slice(s->answer, at, at + n));
		at += n;
		if (s->piece)
			sched_yield();
	}
	while (goes_on && s->again.n)
		goes_on = send_piece(fd, s->again);
	while (s->stays && recv(fd, &byte, 1, 0) > 0)
		;
	if (s->resets)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	return NULL;
}

static bool is_cancelled(void)
{
	return got.cancel_at == got.connected + got.heads + got.pieces;
}

static void cancel_if_wanted(void)
{
	if (!is_cancelled())
		return;
	ask_cancel(got.ask);
	loop_stop(got.loop);
}

static void on_connected(void *arg)
{
	(void)arg;
	got.connected++;
	cancel_if_wanted();
}

static void on_head(void *arg, const struct response_head *h)
{
	(void)arg;
	got.heads++;
	got.status = h->status;
	cancel_if_wanted();
}

static void on_data(void *arg, str piece)
{
	(void)arg;
	assert_true(piece.n > 0);
	assert_int_equal(got.heads, 1);
	buf_add(&got.body, piece);
	got.pieces++;
	cancel_if_wanted();
}

static void on_end(void *arg, const struct ask_end *e)
{
	(void)arg;
	got.ends++;
	got.error = e->error;
	got.step = e->step;
	assert_int_equal(e->status, got.status);
	assert_int_equal(e->error == 0, e->text[0] == 0);
	snprintf(got.text, sizeof(got.text), "%s", e->text);
	loop_stop(got.loop);
}

static const struct ask_ops ops = {on_connected, on_head, on_data, on_end};

static void forget(void)
{
	buf_done(&got.body);
	memset(&got, 0, sizeof(got));
}

static int listen_at(const char *at)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(name.sun_path, at);
	unlink(at);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void start_server(struct server *s)
{
	snprintf(path, sizeof(path), "test_ask.%d", (int)getpid());
	s->listener = listen_at(path);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	request.to = (struct endpoint){.path = path};
}

static void stop_server(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->listener);
	free((void *)(uintptr_t)s->asked.p);
	unlink(path);
}

/* All of it, under a limit so long that it is a failure to reach it. */
static void ask_for(struct server *s, const char *text)
{
	unsigned cancel_at = got.cancel_at;

	forget();
	got.cancel_at = cancel_at;
	start_server(s);
	request.request = str_of(text);
	if (!request.limit)
		request.limit = 120000;
	got.loop = loop_new();
	got.ask = ask_start(got.loop, &request, &ops, NULL);
	loop_run(got.loop);
	loop_free(got.loop);
	stop_server(s);
}

static void ask(struct server *s)
{
	request.limit = 0;
	request.max_body = MAX_BODY;
	got.cancel_at = 0;
	ask_for(s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	assert_int_equal(got.ends, 1);
}

static void expect_end(int error, enum ask_step step, const char *words)
{
	if (got.error != error || got.step != step || !strstr(got.text, words))
		fail_msg("ended with %s at %d: %s", strerror(-got.error), (int)got.step, got.text);
}

static void expect_body(const char *body)
{
	if (got.error)
		fail_msg("%s", got.text);
	assert_true(str_eq(buf_str(&got.body), str_of(body)));
}

/* --- whole answers --- */

static const char *const answers[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n8;x=1\r\nlo world\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\nX-Sum: 7\r\n\r\n",
	("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
	 "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"),
	"HTTP/1.1 200 OK\r\n\r\nhello world",
	"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello world",
};

static bool is_until_close(size_t i)
{
	return i >= 4;
}

static void an_answer_is_read_in_each_framing(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(answers); i++) {
		/* What has an end of its own is not waited for any longer. */
		struct server s = {.answer = str_of(answers[i]), .stays = !is_until_close(i)};

		ask(&s);
		expect_body("hello world");
		assert_int_equal(got.status, 200);
		assert_int_equal(got.connected, 1);
	}
}

static void an_answer_may_come_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(answers); i++) {
		struct server s = {.answer = str_of(answers[i]), .piece = 1};

		ask(&s);
		expect_body("hello world");
	}
}

static void answers_without_a_body_end_with_their_heads(void **state)
{
	struct server none = {.answer = STR("HTTP/1.1 204 No Content\r\n\r\n"), .stays = true},
		      same = {.answer =
				      STR("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
			      .stays = true},
		      empty = {.answer = STR("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
			      .stays = true},
		      head = {.answer = STR("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
			      .stays = true};

	(void)state;
	ask(&none);
	expect_body("");
	ask(&same);
	expect_body("");
	ask(&empty);
	expect_body("");
	assert_int_equal(got.status, 500);
	ask_for(&head, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	expect_body("");
}

static void what_follows_an_answer_is_not_read_into_it(void **state)
{
	struct server s = {
		.answer = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500")};

	(void)state;
	ask(&s);
	expect_body("ok");
}

static void one_that_answers_before_it_is_asked_is_heard(void **state)
{
	struct server s = {.answer = STR("HTTP/1.1 503 Full\r\nContent-Length: 4\r\n\r\nfull"),
		.is_unasked = true};

	(void)state;
	ask(&s);
	expect_body("full");
	assert_int_equal(got.status, 503);
}

/* --- a copy of the connection in a child that has not executed its program yet --- */

static struct {
	int fd; /* the server's end */
	struct timer timer;
} other;

static void stop_looping(struct timer *t)
{
	(void)t;
	loop_stop(got.loop);
}

static void go_on_after_end(void *arg, const struct ask_end *e)
{
	(void)arg;
	got.ends++;
	got.error = e->error;
	timer_set(&other.timer, got.loop, clock_now() + 20, stop_looping);
}

static void talk_again(struct timer *t)
{
	(void)t;
	assert_int_equal(got.ends, 1);
	assert_true(send_piece(other.fd, STR("more")));
}

static void a_child_that_has_a_copy_of_the_connection_keeps_nothing_alive(void **state)
{
	static const struct ask_ops quiet = {.on_end = go_on_after_end};
	struct timer later = {0};
	struct server s = {0};
	pid_t child;

	(void)state;
	forget();
	snprintf(path, sizeof(path), "test_ask.%d", (int)getpid());
	s.listener = listen_at(path);
	request = (struct ask_request){.to = {.path = path},
		.request = STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		.limit = 120000,
		.max_body = MAX_BODY};
	got.loop = loop_new();
	got.ask = ask_start(got.loop, &request, &quiet, NULL);
	other.fd = accept(s.listener, NULL, NULL);
	child = fork();
	if (child == 0) {
		alarm(30); /* if nobody is left to end it */
		pause();
		_exit(0);
	}
	assert_true(send_piece(other.fd, STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")));
	timer_set(&later, got.loop, clock_now() + 10, talk_again);
	loop_run(got.loop);
	assert_int_equal(got.error, 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	loop_free(got.loop);
	close(other.fd);
	close(s.listener);
	unlink(path);
}

static void an_answer_comes_over_tcp_as_well(void **state)
{
	struct server s = {.answer = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")};
	struct sockaddr_storage name = {.ss_family = AF_INET};
	socklen_t size = sizeof(struct sockaddr_in);

	(void)state;
	forget();
	((struct sockaddr_in *)&name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s.listener, (struct sockaddr *)&name, size), 0);
	assert_int_equal(listen(s.listener, 16), 0);
	assert_int_equal(getsockname(s.listener, (struct sockaddr *)&name, &size), 0);
	assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
	request = (struct ask_request){.request = STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n")};
	address_from(&request.to.address, &name);
	got.loop = loop_new();
	got.ask = ask_start(got.loop, &request, &ops, NULL);
	loop_run(got.loop);
	loop_free(got.loop);
	stop_server(&s);
	expect_body("ok");
}

/* --- broken ones --- */

static void one_that_breaks_off_anywhere_is_not_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(answers); i++) {
		size_t head = (size_t)(strstr(answers[i], "200 OK") - answers[i]);

		head = (size_t)(strstr(answers[i] + head, "\r\n\r\n") + 4 - answers[i]);
		for (size_t n = 0; n < strlen(answers[i]); n++) {
			struct server s = {.answer = {answers[i], n}};

			ask(&s);
			if (n < head)
				expect_end(-EPIPE, ASK_HEAD, "the head of its answer");
			else if (is_until_close(i))
				assert_int_equal(got.error, 0);
			else
				expect_end(-EPIPE, ASK_BODY, "the body of its answer");
			assert_int_equal(got.heads, n >= head);
		}
	}
}

static void a_reset_is_told_as_one(void **state)
{
	struct server s = {.answer = STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123"),
		.is_unasked = true,
		.resets = true};

	(void)state;
	ask(&s);
	assert_int_equal(got.ends, 1);
	assert_true(got.error == -ECONNRESET || got.error == -EPIPE);
}

static void what_is_not_http_is_refused(void **state)
{
	static const struct {
		const char *answer, *words;
	} cases[] = {
		{"SSH-2.0-OpenSSH_9.2\r\n", "not a status line"},
		{"HTTP/1.1 2000 OK\r\n\r\n", "not a status line"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "RFC 911"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nab", "RFC 911"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "RFC 911"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
			"RFC"},
		{"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
			"nobody asked for"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct server s = {.answer = str_of(cases[i].answer), .stays = true};

		ask(&s);
		expect_end(-EPROTO, ASK_HEAD, cases[i].words);
		assert_non_null(strstr(got.text, path));
	}
}

static void a_broken_chunk_ends_it(void **state)
{
	static const char *const bodies[] = {"zz\r\n", "5\r\nhelloX", "-1\r\n",
		"fffffffffffffffff\r\n", "0\r\nContent Length\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < NITEMS(bodies); i++) {
		char *text = xasprintf(
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s", bodies[i]);
		struct server s = {.answer = str_of(text), .stays = true};

		ask(&s);
		expect_end(-EPROTO, ASK_BODY, "chunked coding");
		free(text);
	}
}

/* --- without end --- */

static void a_head_without_end_has_one(void **state)
{
	struct server fields = {.answer = STR("HTTP/1.1 200 OK\r\n"), .again = STR("A: b\r\n")},
		      field = {.answer = STR("HTTP/1.1 200 OK\r\nA: "),
			      .again = STR("bbbbbbbbbbbb")},
		      interims = {.again = STR("HTTP/1.1 100 Continue\r\n\r\n")};

	(void)state;
	ask(&fields);
	expect_end(-EPROTO, ASK_HEAD, "the head is longer");
	ask(&field);
	expect_end(-EPROTO, ASK_HEAD, "the head is longer");
	ask(&interims);
	expect_end(-EPROTO, ASK_HEAD, "without end");
}

static void a_body_without_end_has_one(void **state)
{
	struct server plain = {.answer = STR("HTTP/1.1 200 OK\r\n\r\n"), .again = STR("12345678")},
		      chunks = {.answer = STR("HTTP/1.1 200 OK\r\n"
					      "Transfer-Encoding: chunked\r\n\r\n"),
			      .again = STR("1\r\nx\r\n")},
		      sized = {.answer = STR("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"),
			      .stays = true},
		      trailers = {.answer = STR("HTTP/1.1 200 OK\r\n"
						"Transfer-Encoding: chunked\r\n\r\n0\r\n"),
			      .again = STR("X-A: b\r\n")};

	(void)state;
	ask(&plain);
	expect_end(-EMSGSIZE, ASK_BODY, "more than 100000 bytes");
	assert_true(buf_len(&got.body) <= MAX_BODY);
	ask(&chunks);
	expect_end(-EMSGSIZE, ASK_BODY, "more than 100000 bytes");
	assert_true(buf_len(&got.body) <= MAX_BODY);
	ask(&sized);
	expect_end(-EMSGSIZE, ASK_BODY, "more than 100000 bytes");
	ask(&trailers);
	expect_end(-EPROTO, ASK_BODY, "chunked coding");
}

static void a_body_of_just_the_limit_is_taken(void **state)
{
	char *text = xasprintf(
		"HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n%0*d", MAX_BODY, (int)MAX_BODY, 0);
	struct server s = {.answer = str_of(text)};

	(void)state;
	ask(&s);
	assert_int_equal(got.error, 0);
	assert_int_equal(buf_len(&got.body), MAX_BODY);
	free(text);
}

/* It never ends by itself: that it ended says that the limit did it. */
static void one_that_never_comes_to_an_end_is_given_up(void **state)
{
	static const struct {
		const char *answer;
		enum ask_step step;
	} cases[] = {
		{"", ASK_HEAD},
		{"HTTP/1.1 200 OK\r\nContent-", ASK_HEAD},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ASK_BODY},
		{"HTTP/1.1 200 OK\r\n\r\nhello", ASK_BODY},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct server s = {.answer = str_of(cases[i].answer), .stays = true};

		request.limit = 300;
		ask_for(&s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_int_equal(got.ends, 1);
		assert_int_equal(got.error, -ETIMEDOUT);
		assert_non_null(strstr(got.text, "in time"));
	}
}

/* --- the asking side --- */

/* A port that nobody else can have meanwhile, and nobody listens on. */
static int hold_port(struct endpoint *ret)
{
	struct sockaddr_in name = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&name, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
	*ret = endpoint_local(ntohs(name.sin_port), false);
	return fd;
}

static void nobody_there_is_said_and_where(void **state)
{
	struct endpoint to[] = {{.path = "/nowhere/at/all"}, {.path = NULL}};
	char at[ENDPOINT_TEXT_MAX], words[200];
	int fd = hold_port(&to[1]);

	(void)state;
	for (size_t i = 0; i < NITEMS(to); i++) {
		int error = i ? ECONNREFUSED : ENOENT;

		forget();
		request =
			(struct ask_request){.to = to[i], .request = STR("GET / HTTP/1.1\r\n\r\n")};
		got.loop = loop_new();
		got.ask = ask_start(got.loop, &request, &ops, NULL);
		assert_int_equal(got.ends, 0); /* never from inside */
		assert_int_equal(ask_step(got.ask), ASK_CONNECTING);
		loop_run(got.loop);
		loop_free(got.loop);
		assert_int_equal(got.ends, 1);
		endpoint_text(&to[i], at);
		snprintf(words, sizeof(words), "cannot connect to %s: %s", at, strerror(error));
		expect_end(-error, ASK_CONNECTING, words);
	}
	close(fd);
}

static void on_stop(struct timer *t)
{
	ask_cancel(got.ask);
	loop_stop(t->loop);
}

/* In each callback but the last, before the first, and while it waits. */
static void after_a_cancel_nothing_comes(void **state)
{
	(void)state;
	for (unsigned at = 1; at <= 5; at++) {
		struct server s = {
			.answer = STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				      "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")};

		request.limit = 0;
		got.cancel_at = at;
		ask_for(&s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_int_equal(got.ends, 0);
		assert_int_equal(got.connected + got.heads + got.pieces, at);
	}
	for (int later = 0; later < 2; later++) {
		struct server s = {.answer = STR("HTTP/1.1 200 OK\r\n"), .stays = true};
		struct timer timer = {0};

		forget();
		start_server(&s);
		got.loop = loop_new();
		got.ask = ask_start(got.loop, &request, &ops, NULL);
		if (!later)
			ask_cancel(got.ask);
		else
			timer_set(&timer, got.loop, clock_now() + 50, on_stop);
		if (later)
			loop_run(got.loop);
		loop_free(got.loop);
		stop_server(&s);
		assert_int_equal(got.ends, 0);
	}
	ask_cancel(NULL);
}

static void a_long_request_is_sent_whole(void **state)
{
	struct buf out = {0};
	char *body = xasprintf("%0*d", 3000000, 7);
	struct server s = {
		.answer = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), .stays = true};

	(void)state;
	ask_write(&out, "POST", STR("/x"), STR("h"), STR("text/plain"), str_of(body));
	assert_true(
		str_starts(buf_str(&out), STR("POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
					      "Content-Type: text/plain\r\n"
					      "Content-Length: 3000000\r\n\r\n000")));
	forget();
	start_server(&s);
	request = (struct ask_request){.to = {.path = path}, .request = buf_str(&out)};
	got.loop = loop_new();
	got.ask = ask_start(got.loop, &request, &ops, NULL);
	loop_run(got.loop);
	loop_free(got.loop);
	stop_server(&s);
	expect_body("ok"); /* though it was not all taken */
	buf_done(&out);
	free(body);
}

static void it_can_be_waited_for(void **state)
{
	static const struct ask_ops only_end = {.on_end = on_end};
	struct server s = {.answer = STR("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")};

	(void)state;
	forget();
	start_server(&s);
	request.request = STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	got.loop = loop_new();
	got.status = 404; /* nobody tells */
	assert_int_equal(ask_wait(&request, &only_end, NULL), 0);
	loop_free(got.loop);
	stop_server(&s);
	assert_int_equal(got.ends, 1);
	assert_int_equal(got.error, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_read_in_each_framing),
		cmocka_unit_test(an_answer_may_come_byte_by_byte),
		cmocka_unit_test(answers_without_a_body_end_with_their_heads),
		cmocka_unit_test(what_follows_an_answer_is_not_read_into_it),
		cmocka_unit_test(one_that_answers_before_it_is_asked_is_heard),
		cmocka_unit_test(a_child_that_has_a_copy_of_the_connection_keeps_nothing_alive),
		cmocka_unit_test(an_answer_comes_over_tcp_as_well),
		cmocka_unit_test(one_that_breaks_off_anywhere_is_not_whole),
		cmocka_unit_test(a_reset_is_told_as_one),
		cmocka_unit_test(what_is_not_http_is_refused),
		cmocka_unit_test(a_broken_chunk_ends_it),
		cmocka_unit_test(a_head_without_end_has_one),
		cmocka_unit_test(a_body_without_end_has_one),
		cmocka_unit_test(a_body_of_just_the_limit_is_taken),
		cmocka_unit_test(one_that_never_comes_to_an_end_is_given_up),
		cmocka_unit_test(nobody_there_is_said_and_where),
		cmocka_unit_test(after_a_cancel_nothing_comes),
		cmocka_unit_test(a_long_request_is_sent_whole),
		cmocka_unit_test(it_can_be_waited_for),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forget();
	return failed;
}
