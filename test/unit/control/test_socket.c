/* test_socket.c - the control socket: whose it is, and what it makes of what comes. */
/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "control/client.h"

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

static void the_client_says_when_nobody_is_there(void **state)
{
	unsigned status;

	(void)state;
	assert_int_equal(
		client_ask("/nowhere/at/all", "GET", STR("/"), STR_EMPTY, on_data, NULL, &status),
		-ENOENT);
}

static void a_segment_is_escaped_but_for_what_is_safe(void **state)
{
	struct buf out = {0};

	(void)state;
	client_add_segment(&out, (str){"a/B-._~9 \0\xc3", 11});
	assert_true(str_eq(buf_str(&out), STR("a%2FB-._~9%20%00%C3")));
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		over_socket(the_socket_is_for_its_owner_alone),
		over_socket(a_second_server_is_refused_while_the_first_answers),
		over_socket(a_socket_that_nobody_answers_on_is_replaced),
		over_socket(what_is_no_socket_is_left_alone),
		over_socket(a_path_too_long_for_a_socket_is_said_to_be),
		over_socket(what_does_not_exist_is_refused),
		over_socket(what_is_no_request_is_refused_and_ends_the_connection),
		over_socket(requests_on_one_connection_are_answered_in_their_order),
		over_socket(a_request_may_come_byte_by_byte),
		over_socket(too_many_connections_are_turned_away),
		cmocka_unit_test(the_client_says_when_nobody_is_there),
		cmocka_unit_test(a_segment_is_escaped_but_for_what_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
