/* test_control.c - what can be learned and done over the control socket. */
/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

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
	assert_true(json_is_true(json_object_get(j, "in_use")));
	json_decref(j);
	w.is_proxy_late = true;
	j = ask("POST", "/v1/reload", 202);
	assert_int_equal(number_at(j, "added"), 1);
	assert_true(json_is_false(json_object_get(j, "in_use")));
	assert_string_equal(text_at(j, "error"), "the proxy is late");
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

static void the_cache_is_told_by_tenant_and_in_all(void **state)
{
	json_t *j = ask("GET", "/v1/cache", 200), *tenant;

	(void)state;
	assert_int_equal(number_at(j, "hits"), 30);
	assert_int_equal(json_array_size(json_object_get(j, "tenants")), 1);
	tenant = json_array_get(json_object_get(j, "tenants"), 0);
	assert_string_equal(text_at(tenant, "id"), WINTER);
	assert_int_equal(number_at(tenant, "bytes"), 1000);
	assert_int_equal(number_at(tenant, "misses"), 10);
	json_decref(j);
}

static void a_purge_says_how_many_are_gone(void **state)
{
	json_t *j = ask("POST", "/v1/tenants/" WINTER "/purge", 200);

	(void)state;
	assert_int_equal(number_at(j, "purged"), 3);
	assert_string_equal(w.asked, "purge " WINTER " ");
	json_decref(j);
	free(ask_text("POST", "/v1/tenants/" WINTER "/purge?path=%2Fa%20b", 200));
	assert_string_equal(w.asked, "purge " WINTER " /a b");
	free(ask_text("POST", "/v1/tenants/" WINTER "/purge?path=a", 400));
	free(ask_text("POST", "/v1/tenants/nobody/purge", 404));
	free(ask_text("GET", "/v1/tenants/" WINTER "/purge", 405));
}

static void a_restart_of_all_is_told_line_by_line_to_its_end(void **state)
{
	char *text;

	(void)state;
	w.nrolled = 2;
	text = ask_text("POST", "/v1/restart?timeout=5m&keep_going=1", 200);
	assert_string_equal(w.asked, "roll 1 0 300000");
	assert_string_equal(text,
		"{\"what\":\"waits\",\"tenant\":\"" WINTER "\",\"reason\":\"1 open tunnel\"}\n"
		"{\"what\":\"replaced\",\"tenant\":\"" WINTER
		"\",\"wake_ms\":4321,\"reason\":null}\n"
		"{\"what\":\"replaced\",\"tenant\":\"" WINTER
		"\",\"wake_ms\":4321,\"reason\":null}\n"
		"{\"what\":\"over\",\"replaced\":2,\"asleep\":0,\"failed\":0,"
		"\"kept\":0,\"waiting\":0,\"goes_on\":false,\"reason\":null}\n");
	free(text);
	free(ask_text("POST", "/v1/restart?wait=0&now=1", 202));
	assert_string_equal(w.asked, "roll 0 1 0");
	free(ask_text("POST", "/v1/restart?timeout=soon", 400));
	free(ask_text("GET", "/v1/restart", 405));
	w.nrolled = 0;
	free(ask_text("POST", "/v1/restart", 409));
}

static void who_does_not_read_how_all_are_restarted_still_gets_the_end(void **state)
{
	int fd = connect_raw();
	char *text;

	(void)state;
	w.nrolled = 20000;
	send_raw(fd, "POST /v1/restart HTTP/1.1\r\nHost: x\r\n\r\n");
	text = read_raw(fd, NULL);
	assert_true(count_of(text, "\"what\":\"replaced\"") < w.nrolled);
	assert_int_equal(count_of(text, "\"what\":\"over\",\"replaced\":20000"), 1);
	free(text);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		over_socket(status_tells_of_fly_atc_and_of_each_tenant),
		over_socket(of_very_many_tenants_the_sleeping_ones_are_only_counted),
		over_socket(a_tenant_is_found_with_plain_and_with_escaped_slashes),
		over_socket(an_action_is_answered_when_it_is_done),
		over_socket(an_action_is_answered_at_once_if_the_caller_will_not_wait),
		over_socket(one_who_leaves_does_not_disturb_the_action),
		over_socket(an_action_may_end_after_the_server),
		over_socket(kept_lines_are_given_oldest_first),
		over_socket(one_who_follows_gets_lines_as_they_are_written),
		over_socket(one_who_follows_too_slowly_is_told_what_was_lost),
		over_socket(a_reload_says_what_it_did),
		over_socket(a_restart_of_all_is_told_line_by_line_to_its_end),
		over_socket(who_does_not_read_how_all_are_restarted_still_gets_the_end),
		over_socket(the_cache_is_told_by_tenant_and_in_all),
		over_socket(a_purge_says_how_many_are_gone),
		over_socket(a_faulty_reload_gives_each_fault_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
