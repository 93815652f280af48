/* test_access_log.c - the line of an exchange: what is in it, and that it is JSON whatever came. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/access_log.h"

/* What is logged between the two goes to a file instead of standard output. */
struct capture {
	int saved, file;
	struct buf text;
};

static void capture_begin(struct capture *c)
{
	char path[] = "/tmp/log-XXXXXX";

	fflush(stdout);
	c->text = (struct buf){0};
	c->saved = dup(STDOUT_FILENO);
	c->file = mkstemp(path);
	assert_true(c->saved >= 0 && c->file >= 0);
	unlink(path);
	dup2(c->file, STDOUT_FILENO);
}

static str capture_end(struct capture *c)
{
	ssize_t n;

	log_flush(5000);
	dup2(c->saved, STDOUT_FILENO);
	close(c->saved);
	lseek(c->file, 0, SEEK_SET);
	while ((n = read(c->file, buf_room(&c->text, 4096), 4096)) > 0)
		buf_added(&c->text, (size_t)n);
	close(c->file);
	return buf_str(&c->text);
}

static json_t *log_and_parse(const struct access_record *r, struct capture *c)
{
	json_t *json;
	str text;

	capture_begin(c);
	access_log(r);
	text = capture_end(c);
	assert_int_equal(str_find_char(text, '\n'), text.n - 1);
	json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
	if (!json)
		fail_msg("no JSON: " STR_FMT, STR_ARG(text));
	return json;
}

static const char *text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void a_line_has_thrusters_fields_and_ours(void **state)
{
	static const char *const in_order[] = {"time", "level", "process", "msg", "path", "status",
		"dur", "method", "req_content_length", "req_content_type", "resp_content_length",
		"resp_content_type", "remote_addr", "user_agent", "cache", "query", "proto", "host",
		"tenant", "request_id", "upstream_ms", "wake_ms", "error", "detail"};
	struct access_record r = {
		.path = STR("/b/winter/caf%C3%A9%20%2B"),
		.status = 502,
		.log_level = LOG_LEVEL_SHARED,
		.duration = 12,
		.method = STR("POST"),
		.request_length = ACCESS_UNKNOWN,
		.request_type = STR("text/plain"),
		.response_length = 345,
		.response_type = STR("text/html; charset=utf-8"),
		.remote_addr = STR("9.9.9.9"),
		.user_agent = STR("Mozilla/5.0 \"x\" \\ \xff tab\t"),
		.cache = STR("miss"),
		.query = STR("a=%20b"),
		.minor = 1,
		.host = STR("example.com"),
		.tenant = STR("b/winter"),
		.request_id = STR("id-1"),
		.upstream_ms = 7,
		.wake_ms = 0,
		.error = ERROR_BAD_RESPONSE,
		.detail = STR("why"),
	};
	struct capture c;
	json_t *json = log_and_parse(&r, &c), *value;
	const char *key;
	size_t i = 0;

	(void)state;
	json_object_foreach(json, key, value)
	{
		assert_true(i < NITEMS(in_order));
		assert_string_equal(key, in_order[i++]);
	}
	assert_int_equal(i, NITEMS(in_order));
	assert_string_equal(text_of(json, "msg"), "Request");
	assert_string_equal(text_of(json, "level"), "INFO");
	assert_string_equal(text_of(json, "path"), "/b/winter/caf\xc3\xa9 +");
	assert_int_equal(json_integer_value(json_object_get(json, "status")), 502);
	assert_int_equal(json_integer_value(json_object_get(json, "dur")), 12);
	assert_int_equal(json_integer_value(json_object_get(json, "req_content_length")), -1);
	assert_int_equal(json_integer_value(json_object_get(json, "resp_content_length")), 345);
	assert_string_equal(text_of(json, "user_agent"), "Mozilla/5.0 \"x\" \\ \xef\xbf\xbd tab\t");
	assert_string_equal(text_of(json, "query"), "a=%20b");
	assert_string_equal(text_of(json, "proto"), "HTTP/1.1");
	assert_int_equal(json_integer_value(json_object_get(json, "upstream_ms")), 7);
	assert_int_equal(json_integer_value(json_object_get(json, "wake_ms")), 0);
	assert_string_equal(text_of(json, "error"), "bad_response");
	json_decref(json);
	buf_done(&c.text);
}

static void what_is_empty_is_left_out_unless_thruster_has_it(void **state)
{
	struct access_record r = {.log_level = LOG_LEVEL_SHARED,
		.upstream_ms = ACCESS_UNKNOWN,
		.wake_ms = ACCESS_UNKNOWN};
	struct capture c;
	json_t *json = log_and_parse(&r, &c);

	(void)state;
	assert_int_equal(json_object_size(json), 17);
	assert_string_equal(text_of(json, "user_agent"), "");
	assert_string_equal(text_of(json, "proto"), "HTTP/1.0");
	assert_null(json_object_get(json, "tenant"));
	assert_null(json_object_get(json, "wake_ms"));
	json_decref(json);
	buf_done(&c.text);
}

/* Every byte at every place among plain ones. */
static void odd_bytes_are_escaped(void **state)
{
	struct capture c;
	str text, line;
	unsigned n = 0;

	(void)state;
	capture_begin(&c);
	for (unsigned byte = 0; byte < 256; byte++)
		for (size_t at = 0; at < 20; at++) {
			struct access_record r = {.log_level = LOG_LEVEL_SHARED,
				.upstream_ms = ACCESS_UNKNOWN,
				.wake_ms = ACCESS_UNKNOWN};
			char agent[20];

			memset(agent, 'a', sizeof(agent));
			agent[at] = (char)byte;
			r.user_agent = (str){agent, sizeof(agent)};
			access_log(&r);
		}
	text = capture_end(&c);
	while (str_split(&text, '\n', &line)) {
		json_t *json = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
		const json_t *agent = json_object_get(json, "user_agent");
		const char *got = json_string_value(agent);
		unsigned byte = n / 20, at = n % 20;

		assert_non_null(got);
		assert_int_equal(json_string_length(agent), byte < 0x80 ? 20 : 22);
		if (byte < 0x80)
			assert_int_equal((unsigned char)got[at], byte);
		json_decref(json);
		n++;
	}
	assert_int_equal(n, 256 * 20);
	buf_done(&c.text);
}

static void nothing_is_written_below_the_level(void **state)
{
	struct access_record r = {.log_level = LOG_LEVEL_SHARED};
	struct capture c;

	(void)state;
	capture_begin(&c);
	log_set_level(LOG_WARN);
	access_log(&r);
	assert_int_equal(capture_end(&c).n, 0);
	log_set_level(LOG_INFO);
	buf_done(&c.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_thrusters_fields_and_ours),
		cmocka_unit_test(what_is_empty_is_left_out_unless_thruster_has_it),
		cmocka_unit_test(odd_bytes_are_escaped),
		cmocka_unit_test(nothing_is_written_below_the_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
