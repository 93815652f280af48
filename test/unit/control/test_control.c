/* test_control.c - the control server over a real socket; the tenants behind it are this file's. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "control/client.h"
#include "control/control.h"

#define MAX_PENDING 8
#define WINTER	    "bellevue/2025/winter"

struct pending {
	control_done_fn *done;
	void *arg;
};

/* The server runs in a thread of its own; the test is its client. */
static struct world {
	char directory[32], path[64];
	struct loop *loop;
	pthread_t thread;
	struct control *control;
	struct config conf;
	size_t ntenants;
	struct pending pending[MAX_PENDING];
	_Atomic size_t npending;
	char asked[128];
	struct config_faults faults;
} w;

static void op_global(void *arg, struct control_global *ret)
{
	struct world *world = arg;

	*ret = (struct control_global){.address = STR("*:8080"),
		.threads = 2,
		.proxy_restarts = 3,
		.conf = &world->conf,
		.proxy_version = 7,
		.started_at = loop_now(world->loop)};
}

static void show_winter(control_tenant_fn *each, void *each_arg)
{
	struct control_tenant t = {.id = STR(WINTER),
		.state = TENANT_FAILED,
		.has_woken = true,
		.is_here = true,
		.pid = getpid(),
		.in_flight = 1,
		.requests = 42,
		.wake = {1, 20, 300, 4000},
		.starts = 2,
		.restarts = 1,
		.reason = STR("exit 1"),
		.isolation = STR("private directories")};

	each(each_arg, &t);
}

static void show_sleeper(size_t i, control_tenant_fn *each, void *each_arg)
{
	char id[32];
	struct control_tenant t = {.is_here = true};

	snprintf(id, sizeof(id), "sleeper/%zu", i);
	t.id = str_of(id);
	each(each_arg, &t);
}

static void op_tenants(void *arg, bool all, control_tenant_fn *each, void *each_arg)
{
	struct world *world = arg;

	show_winter(each, each_arg);
	for (size_t i = 1; all && i < world->ntenants; i++)
		show_sleeper(i, each, each_arg);
}

static bool op_tenant(void *arg, str id, control_tenant_fn *each, void *each_arg)
{
	(void)arg;
	if (str_eq(id, STR(WINTER)))
		show_winter(each, each_arg);
	else if (str_starts(id, STR("sleeper/")))
		show_sleeper(1, each, each_arg);
	else
		return false;
	return true;
}

static void take(const char *verb, str id, control_done_fn *done, void *done_arg)
{
	size_t n = w.npending;

	assert(n < MAX_PENDING);
	snprintf(w.asked, sizeof(w.asked), "%s " STR_FMT, verb, STR_ARG(id));
	w.pending[n] = (struct pending){done, done_arg};
	w.npending = n + 1;
}

static void op_start(void *arg, str id, control_done_fn *done, void *done_arg)
{
	(void)arg;
	take("start", id, done, done_arg);
}

static void op_stop(void *arg, str id, control_done_fn *done, void *done_arg)
{
	(void)arg;
	take("stop", id, done, done_arg);
}

static void op_restart(void *arg, str id, control_done_fn *done, void *done_arg)
{
	(void)arg;
	take("restart", id, done, done_arg);
}

static void op_tail(void *arg, str id, size_t n, control_line_fn *each, void *each_arg)
{
	struct control_line line = {
		.time = 1735689600042, .is_stderr = true, .text = STR("old \"line\"")};

	(void)arg;
	if (str_eq(id, STR(WINTER)))
		for (size_t i = 0; i < MIN(n, (size_t)3); i++)
			each(each_arg, &line);
}

struct reload_call {
	control_reload_fn *done;
	void *arg;
};

static void finish_reload(void *arg)
{
	struct reload_call *call = arg;
	struct control_reload r = {.faults = &w.faults,
		.added = 1,
		.removed = 2,
		.changed = 3,
		.needs_restart = STR("http_port threads")};

	call->done(call->arg, &r);
	free(call);
}

static void op_reload(void *arg, control_reload_fn *done, void *done_arg)
{
	struct reload_call *call = xcalloc(1, sizeof(*call));

	(void)arg;
	*call = (struct reload_call){done, done_arg};
	loop_defer(w.loop, finish_reload, call);
}

static void op_backup(void *arg, struct buf *json)
{
	(void)arg;
	buf_add(json, STR("{\"url\":\"file:///b\"}"));
}

static const struct control_ops ops = {op_global, op_tenants, op_tenant, op_start, op_stop,
	op_restart, op_tail, op_reload, op_backup};

static void *run(void *unused)
{
	(void)unused;
	loop_run(w.loop);
	return NULL;
}

static int set_up(void **state)
{
	char *reason = NULL;

	(void)state;
	w = (struct world){.ntenants = 3};
	snprintf(w.directory, sizeof(w.directory), "/tmp/control-XXXXXX");
	assert_non_null(mkdtemp(w.directory));
	snprintf(w.path, sizeof(w.path), "%s/run/control.sock", w.directory);
	w.conf.ntenants = w.ntenants;
	w.conf.version = 7;
	w.conf.file = STR("config/atc.yml");
	w.conf.fly_machine = w.conf.fly_region = STR_EMPTY;
	w.loop = loop_new();
	w.control = control_new(w.loop, str_of(w.path), &ops, &w, &reason);
	assert_non_null(w.control);
	return pthread_create(&w.thread, NULL, run, NULL);
}

struct call {
	loop_fn *fn;
	sem_t done;
};

static void on_call(void *arg)
{
	struct call *call = arg;

	call->fn(NULL);
	sem_post(&call->done);
}

/* fn in the server's thread; returns when it has run. */
static void in_server(loop_fn *fn)
{
	struct call call = {.fn = fn};

	sem_init(&call.done, 0, 0);
	loop_post(w.loop, on_call, &call);
	sem_wait(&call.done);
	sem_destroy(&call.done);
}

static void free_control(void *unused)
{
	(void)unused;
	control_free(w.control);
	w.control = NULL;
}

static void stop_loop(void *unused)
{
	(void)unused;
	loop_stop(w.loop);
}

static int tear_down(void **state)
{
	char run_dir[48];

	(void)state;
	in_server(free_control);
	in_server(stop_loop);
	pthread_join(w.thread, NULL);
	loop_free(w.loop);
	assert_int_equal(access(w.path, F_OK), -1);
	snprintf(run_dir, sizeof(run_dir), "%s/run", w.directory);
	rmdir(run_dir);
	return rmdir(w.directory);
}

static void on_data(void *arg, unsigned status, str piece)
{
	(void)status;
	buf_add(arg, piece);
}

/* Asks, and gives the body as text that the caller frees. */
static char *ask_text(const char *method, const char *target, unsigned expected)
{
	struct buf body = {0};
	unsigned status = 0;
	char *text;

	assert_int_equal(client_ask(w.path, method, str_of(target), on_data, &body, &status), 0);
	assert_int_equal(status, expected);
	text = str_dup(buf_str(&body));
	buf_done(&body);
	return text;
}

static json_t *ask(const char *method, const char *target, unsigned expected)
{
	char *text = ask_text(method, target, expected);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(j);
	free(text);
	return j;
}

static int connect_raw(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 10};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", w.path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Everything until the server closes, or until `until` came. */
static char *read_raw(int fd, const char *until)
{
	struct buf in = {0};
	char *text;

	for (;;) {
		char *room = buf_room(&in, 4097);
		ssize_t n = read(fd, room, 4096);

		if (n <= 0)
			break;
		buf_added(&in, (size_t)n);
		*buf_room(&in, 1) = 0;
		if (until && strstr(buf_str(&in).p, until))
			break;
	}
	text = str_dup(buf_str(&in));
	buf_done(&in);
	return text;
}

static void send_raw(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void assert_raw(const char *request, const char *expected)
{
	int fd = connect_raw();
	char *text;

	send_raw(fd, request);
	shutdown(fd, SHUT_WR);
	text = read_raw(fd, NULL);
	if (!strstr(text, expected))
		fail_msg("%s is not in: %s", expected, text);
	free(text);
	close(fd);
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static long long number_at(json_t *j, const char *key)
{
	assert_true(json_is_integer(json_object_get(j, key)));
	return json_integer_value(json_object_get(j, key));
}

static const char *text_at(json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "(none)";
}

static void the_socket_is_for_its_owner_alone(void **state)
{
	char directory[48];
	struct stat st;

	(void)state;
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(directory, sizeof(directory), "%s/run", w.directory);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_second_server_is_refused_while_the_first_answers(void **state)
{
	struct loop *l = loop_new();
	char *reason = NULL;

	(void)state;
	assert_null(control_new(l, str_of(w.path), &ops, &w, &reason));
	assert_non_null(strstr(reason, "another fly-atc answers there"));
	free(reason);
	loop_free(l);
	free(ask_text("GET", "/v1/version", 200));
}

static void a_socket_that_nobody_answers_on_is_replaced(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct loop *l = loop_new();
	struct control *c;
	char *reason = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/stale", w.directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	c = control_new(l, str_of(address.sun_path), &ops, &w, &reason);
	assert_non_null(c);
	control_free(c);
	loop_free(l);
	assert_int_equal(access(address.sun_path, F_OK), -1);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct loop *l = loop_new();
	char *reason = NULL, path[64];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/file", w.directory);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_null(control_new(l, str_of(path), &ops, &w, &reason));
	assert_non_null(strstr(reason, "not a socket"));
	free(reason);
	assert_int_equal(unlink(path), 0);
	loop_free(l);
}

static void a_path_too_long_for_a_socket_is_said_to_be(void **state)
{
	struct loop *l = loop_new();
	char *reason = NULL, path[200];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	assert_null(control_new(l, (str){path, sizeof(path)}, &ops, &w, &reason));
	assert_non_null(strstr(reason, "too long"));
	free(reason);
	loop_free(l);
}

static void status_tells_of_fly_atc_and_of_each_tenant(void **state)
{
	json_t *j = ask("GET", "/v1/status", 200), *t, *wake;

	(void)state;
	assert_int_equal(number_at(j, "pid"), getpid());
	assert_string_equal(text_at(j, "state"), "serving");
	assert_string_equal(text_at(j, "address"), "*:8080");
	assert_int_equal(number_at(json_object_get(j, "proxy"), "restarts"), 3);
	assert_string_equal(text_at(json_object_get(j, "config"), "version"), "0000000000000007");
	assert_true(json_is_true(json_object_get(json_object_get(j, "config"), "proxy_has_it")));
	assert_string_equal(text_at(json_object_get(j, "backup"), "url"), "file:///b");
	assert_true(number_at(json_object_get(j, "memory"), "rss") > 1 << 20);
	assert_int_equal(json_array_size(json_object_get(j, "tenants")), 3);
	t = json_array_get(json_object_get(j, "tenants"), 0);
	assert_string_equal(text_at(t, "id"), WINTER);
	assert_string_equal(text_at(t, "state"), "failed");
	assert_string_equal(text_at(t, "reason"), "exit 1");
	assert_int_equal(json_array_size(json_object_get(t, "last_output")), 3);
	assert_int_equal(number_at(t, "requests"), 42);
	wake = json_object_get(t, "wake");
	assert_int_equal(number_at(wake, "prepare_ms"), 20);
	assert_int_equal(number_at(wake, "total_ms"), 4321);
	assert_int_equal(number_at(json_object_get(j, "counts"), "failed"), 1);
	json_decref(j);
}

static void of_very_many_tenants_the_sleeping_ones_are_only_counted(void **state)
{
	json_t *j;

	(void)state;
	w.ntenants = w.conf.ntenants = 20000;
	j = ask("GET", "/v1/status", 200);
	assert_int_equal(json_array_size(json_object_get(j, "tenants")), 1);
	assert_int_equal(number_at(json_object_get(j, "counts"), "not_listed"), 19999);
	json_decref(j);
	j = ask("GET", "/v1/status?all=1", 200);
	assert_int_equal(json_array_size(json_object_get(j, "tenants")), 20000);
	assert_int_equal(number_at(json_object_get(j, "counts"), "not_listed"), 0);
	json_decref(j);
}

static void a_tenant_is_found_with_plain_and_with_escaped_slashes(void **state)
{
	json_t *j = ask("GET", "/v1/tenants/bellevue/2025/winter", 200);

	(void)state;
	assert_string_equal(text_at(j, "id"), WINTER);
	assert_int_equal(number_at(json_object_get(j, "memory"), "processes"), 1);
	json_decref(j);
	j = ask("GET", "/v1/tenants/bellevue%2F2025%2fwinter", 200);
	assert_string_equal(text_at(j, "id"), WINTER);
	json_decref(j);
}

static void end_pending(int err, str reason)
{
	struct pending p = w.pending[--w.npending];

	p.done(p.arg, err, reason);
}

static void succeed(void *unused)
{
	(void)unused;
	end_pending(0, STR_EMPTY);
}

static void be_removed(void *unused)
{
	(void)unused;
	end_pending(-ENOENT, STR("a reload removed it"));
}

static void be_cancelled(void *unused)
{
	(void)unused;
	end_pending(-ECANCELED, STR("fly-atc ends"));
}

static void time_out(void *unused)
{
	(void)unused;
	end_pending(-ETIMEDOUT, STR("not ready after 60 s"));
}

static void await_pending(size_t n)
{
	for (int i = 0; i < 10000 && w.npending != n; i++)
		usleep(1000);
	assert_int_equal(w.npending, n);
}

static void assert_action(const char *verb, loop_fn *end, const char *expected)
{
	int fd = connect_raw();
	char *text = xasprintf("POST /v1/tenants/" WINTER "/%s HTTP/1.1\r\nHost: x\r\n"
			       "Connection: close\r\n\r\n",
		verb);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	send_raw(fd, text);
	free(text);
	await_pending(1);
	assert_int_equal(poll(&p, 1, 20), 0);
	in_server(end);
	text = read_raw(fd, NULL);
	if (!strstr(text, expected) || !strstr(text, "\"id\":\"" WINTER "\""))
		fail_msg("%s, or the tenant, is not in: %s", expected, text);
	free(text);
	text = xasprintf("%s " WINTER, verb);
	assert_string_equal(w.asked, text);
	free(text);
	close(fd);
}

static void an_action_is_answered_when_it_is_done(void **state)
{
	(void)state;
	assert_action("start", succeed, " 200 OK");
	assert_action("stop", succeed, " 200 OK");
	assert_action("restart", time_out, "{\"error\":\"not ready after 60 s\"");
	assert_action("restart", time_out, " 503 ");
	assert_action("start", be_removed, " 404 ");
	assert_action("start", be_cancelled, " 409 ");
}

static void an_action_is_answered_at_once_if_the_caller_will_not_wait(void **state)
{
	(void)state;
	free(ask_text("POST", "/v1/tenants/" WINTER "/start?wait=0", 202));
	await_pending(1);
	in_server(succeed);
}

static void one_who_leaves_does_not_disturb_the_action(void **state)
{
	int fd = connect_raw();

	(void)state;
	send_raw(fd, "POST /v1/tenants/" WINTER "/start HTTP/1.1\r\nHost: x\r\n\r\n");
	await_pending(1);
	close(fd);
	free(ask_text("GET", "/v1/version", 200));
	in_server(succeed);
	free(ask_text("GET", "/v1/version", 200));
}

static void an_action_may_end_after_the_server(void **state)
{
	int fd = connect_raw();
	char *text;

	(void)state;
	send_raw(fd, "POST /v1/tenants/" WINTER "/start HTTP/1.1\r\nHost: x\r\n\r\n");
	await_pending(1);
	in_server(free_control);
	text = read_raw(fd, NULL);
	assert_string_equal(text, "");
	free(text);
	in_server(be_cancelled);
	close(fd);
}

static void what_does_not_exist_is_refused(void **state)
{
	static const struct {
		const char *method, *target;
		unsigned status;
	} cases[] = {
		{"GET", "/", 404},
		{"GET", "/v2/status", 404},
		{"GET", "/v1/tenants/", 404},
		{"GET", "/v1/tenants/bellevue/2025", 404},
		{"POST", "/v1/tenants/nobody/start", 404},
		{"GET", "/v1/tenants/nobody/logs", 404},
		{"POST", "/v1/tenants//start", 404},
		{"POST", "/v1/status", 405},
		{"GET", "/v1/reload", 405},
		{"GET", "/v1/tenants/" WINTER "/start", 405},
		{"POST", "/v1/tenants/" WINTER, 405},
		{"GET", "/v1/status?al=1", 400},
		{"GET", "/v1/status?all=2", 400},
		{"GET", "/v1/tenants/" WINTER "/logs?n=1001", 400},
		{"GET", "/v1/tenants/" WINTER "/logs?n=-1", 400},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		json_t *j = ask(cases[i].method, cases[i].target, cases[i].status);

		assert_string_not_equal(text_at(j, "error"), "(none)");
		json_decref(j);
	}
}

static void what_is_no_request_is_refused_and_ends_the_connection(void **state)
{
	struct buf long_head = {0};

	(void)state;
	assert_raw("GARBAGE\r\n\r\n", "HTTP/1.1 400 ");
	assert_raw("GET /v1/version HTTP/3.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 ");
	assert_raw("POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 413 ");
	buf_add(&long_head, STR("GET /v1/version HTTP/1.1\r\nHost: x\r\nX: "));
	for (int i = 0; i < 20000; i++)
		buf_add_char(&long_head, 'x');
	buf_add_char(&long_head, 0);
	assert_raw(buf_str(&long_head).p, "HTTP/1.1 431 ");
	buf_done(&long_head);
}

static void requests_on_one_connection_are_answered_in_their_order(void **state)
{
	int fd = connect_raw();
	char *text;

	(void)state;
	send_raw(fd, "GET /v1/tenants/" WINTER " HTTP/1.1\r\nHost: x\r\n\r\n"
		     "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
		     "GET /v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	text = read_raw(fd, NULL);
	assert_int_equal(count_of(text, "HTTP/1.1 "), 3);
	assert_true(strstr(text, " 200 OK") < strstr(text, " 404 "));
	assert_true(strstr(text, " 404 ") < strstr(text, "\"version\":\"" FLY_ATC_VERSION "\""));
	free(text);
	close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	static const char request[] = "GET /v1/version HTTP/1.0\r\n\r\n";
	int fd = connect_raw();
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(request) - 1; i++)
		assert_int_equal(write(fd, request + i, 1), 1);
	text = read_raw(fd, NULL);
	assert_non_null(strstr(text, " 200 OK"));
	free(text);
	close(fd);
}

static void too_many_connections_are_turned_away(void **state)
{
	int fds[65];
	char *text;

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		fds[i] = connect_raw();
		send_raw(fds[i], "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n");
		free(read_raw(fds[i], "}\n"));
	}
	fds[64] = connect_raw();
	text = read_raw(fds[64], NULL);
	assert_non_null(strstr(text, "HTTP/1.1 503 "));
	free(text);
	for (size_t i = 0; i < 65; i++)
		close(fds[i]);
	in_server(free_control); /* lets the server see that they are gone */
}

static void kept_lines_are_given_oldest_first(void **state)
{
	char *text = ask_text("GET", "/v1/tenants/" WINTER "/logs?n=2", 200);
	static const char line[] = "{\"time\":\"2025-01-01T00:00:00.042Z\",\"stream\":\"stderr\","
				   "\"text\":\"old \\\"line\\\"\"}\n";

	(void)state;
	assert_int_equal(strlen(text), 2 * strlen(line));
	assert_memory_equal(text, line, strlen(line));
	free(text);
}

static void write_lines(void *unused)
{
	struct control_line line = {.text = STR("new line"), .is_cut = true};

	(void)unused;
	control_on_output(w.control, STR("bellevue/2025/summer"), &line);
	control_on_output(w.control, STR(WINTER), &line);
}

static int follow(void)
{
	int fd = connect_raw();

	send_raw(fd, "GET /v1/tenants/" WINTER "/logs?follow=1&n=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	free(read_raw(fd, "old "));
	return fd;
}

static void one_who_follows_gets_lines_as_they_are_written(void **state)
{
	int fd = follow();
	char *text;

	(void)state;
	in_server(write_lines);
	text = read_raw(fd, "new line");
	assert_int_equal(count_of(text, "new line"), 1);
	assert_non_null(strstr(text, "\"cut\":true"));
	free(text);
	close(fd);
}

static void write_very_many_lines(void *unused)
{
	for (int i = 0; i < 20000; i++)
		write_lines(unused);
}

static void one_who_follows_too_slowly_is_told_what_was_lost(void **state)
{
	int fd = follow();
	char *text;

	(void)state;
	in_server(write_very_many_lines);
	free(read_raw(fd, "\"text\":\"new line\"}\n"));
	for (int i = 0; i < 100; i++) {
		char bytes[65536];
		struct pollfd p = {.fd = fd, .events = POLLIN};

		while (poll(&p, 1, 10) > 0)
			assert_true(read(fd, bytes, sizeof(bytes)) > 0);
	}
	in_server(write_lines);
	text = read_raw(fd, "new line");
	assert_non_null(strstr(text, "{\"dropped\":1"));
	free(text);
	close(fd);
}

static void a_reload_says_what_it_did(void **state)
{
	json_t *j = ask("POST", "/v1/reload", 200);

	(void)state;
	assert_int_equal(number_at(j, "added"), 1);
	assert_int_equal(number_at(j, "removed"), 2);
	assert_int_equal(number_at(j, "changed"), 3);
	assert_string_equal(text_at(j, "needs_restart"), "http_port threads");
	json_decref(j);
}

static void a_faulty_reload_gives_each_fault_with_its_place(void **state)
{
	struct config_fault items[] = {
		{STR("config/atc.yml"), 3, 5, STR("unknown key"), false},
		{STR("environment"), 0, 0, STR("TLS belongs to the edge"), true},
	};
	json_t *j, *fault;

	(void)state;
	w.faults = (struct config_faults){.items = items, .count = 2, .errors = 1};
	j = ask("POST", "/v1/reload", 422);
	assert_int_equal(json_array_size(json_object_get(j, "faults")), 1);
	fault = json_array_get(json_object_get(j, "faults"), 0);
	assert_string_equal(text_at(fault, "where"), "config/atc.yml");
	assert_int_equal(number_at(fault, "line"), 3);
	assert_int_equal(json_array_size(json_object_get(j, "warnings")), 1);
	json_decref(j);
}

static void the_client_says_when_nobody_is_there(void **state)
{
	unsigned status;

	(void)state;
	assert_int_equal(
		client_ask("/nowhere/at/all", "GET", STR("/"), on_data, NULL, &status), -ENOENT);
}

static void a_segment_is_escaped_but_for_what_is_safe(void **state)
{
	struct buf out = {0};

	(void)state;
	client_add_segment(&out, (str){"a/B-._~9 \0\xc3", 11});
	assert_true(str_eq(buf_str(&out), STR("a%2FB-._~9%20%00%C3")));
	buf_done(&out);
}

#define over_socket(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		over_socket(the_socket_is_for_its_owner_alone),
		over_socket(a_second_server_is_refused_while_the_first_answers),
		over_socket(a_socket_that_nobody_answers_on_is_replaced),
		over_socket(what_is_no_socket_is_left_alone),
		over_socket(a_path_too_long_for_a_socket_is_said_to_be),
		over_socket(status_tells_of_fly_atc_and_of_each_tenant),
		over_socket(of_very_many_tenants_the_sleeping_ones_are_only_counted),
		over_socket(a_tenant_is_found_with_plain_and_with_escaped_slashes),
		over_socket(an_action_is_answered_when_it_is_done),
		over_socket(an_action_is_answered_at_once_if_the_caller_will_not_wait),
		over_socket(one_who_leaves_does_not_disturb_the_action),
		over_socket(an_action_may_end_after_the_server),
		over_socket(what_does_not_exist_is_refused),
		over_socket(what_is_no_request_is_refused_and_ends_the_connection),
		over_socket(requests_on_one_connection_are_answered_in_their_order),
		over_socket(a_request_may_come_byte_by_byte),
		over_socket(too_many_connections_are_turned_away),
		over_socket(kept_lines_are_given_oldest_first),
		over_socket(one_who_follows_gets_lines_as_they_are_written),
		over_socket(one_who_follows_too_slowly_is_told_what_was_lost),
		over_socket(a_reload_says_what_it_did),
		over_socket(a_faulty_reload_gives_each_fault_with_its_place),
		cmocka_unit_test(the_client_says_when_nobody_is_there),
		cmocka_unit_test(a_segment_is_escaped_but_for_what_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
