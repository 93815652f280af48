/* test_pages.c - answers of our own that say no, for people and for programs. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/pages.h"

#define HOSTILE "<script>alert(\"1\")</script>\n\x01\xff&'"

static void answer_open(struct response *r, const struct error_in *in)
{
	struct buf out = {0};

	error_answer(&out, in);
	response_open(r, buf_str(&out), in->is_head ? METHOD_HEAD : METHOD_GET);
	buf_done(&out);
	assert_true(r->head.has_content_length);
	assert_int_equal(r->body.n, in->is_head ? 0 : r->head.content_length);
	assert_true(r->head.content_length > 0);
	expect_str(response_field(r, "Cache-Control"), "no-store");
	assert_true(str_eq(response_field(r, "Fly-Atc-Error"), error_token(in->error)));
	assert_int_equal(r->head.status, in->status ? in->status : error_status(in->error));
	assert_int_equal(r->head.keep_alive, in->keep_alive);
}

static bool contains(str text, const char *part)
{
	return str_find(text, str_of(part)) >= 0;
}

static struct error_in error_of(enum error error, enum wants wants)
{
	return (struct error_in){
		.error = error,
		.minor = 1,
		.wants = wants,
		.keep_alive = true,
		.reason = STR(HOSTILE),
		.request_id = STR("id-1"),
		.date = STR("Sun, 06 Nov 1994 08:49:37 GMT"),
	};
}

static void every_error_has_a_page(void **state)
{
	(void)state;
	for (int e = ERROR_NONE + 1; e < ERROR_NERRORS; e++) {
		struct error_in in = error_of((enum error)e, WANTS_HTML);
		struct response r;

		answer_open(&r, &in);
		expect_str(response_field(&r, "Content-Type"), "text/html; charset=utf-8");
		expect_str(response_field(&r, "X-Content-Type-Options"), "nosniff");
		expect_str(response_field(&r, "Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
		expect_str(response_field(&r, "X-Request-ID"), "id-1");
		expect_str(response_field(&r, "Retry-After"), "");
		assert_true(contains(
			response_field(&r, "Content-Security-Policy"), "default-src 'none'"));
		assert_true(str_find(r.body, error_title((enum error)e)) > 0);
		assert_true(contains(r.body, "name=\"viewport\""));
		assert_true(contains(r.body, "&lt;script&gt;alert("));
		assert_false(contains(r.body, "<script"));
		assert_false(contains(r.body, "http"));
		assert_true(contains(r.body, "id-1"));
		assert_true(str_ends(r.body, STR("</html>\n")));
		response_close(&r);
	}
}

static void every_error_has_json(void **state)
{
	(void)state;
	for (int e = ERROR_NONE + 1; e < ERROR_NERRORS; e++) {
		struct error_in in = error_of((enum error)e, WANTS_JSON);
		json_t *json, *error;
		struct response r;

		in.output = e % 2 ? STR("line\n" HOSTILE) : STR_EMPTY;
		answer_open(&r, &in);
		expect_str(response_field(&r, "Content-Type"), "application/json");
		json = json_loadb(r.body.p, r.body.n, JSON_REJECT_DUPLICATES, NULL);
		error = json_object_get(json, "error");
		assert_non_null(error);
		assert_int_equal(json_integer_value(json_object_get(error, "status")),
			error_status((enum error)e));
		assert_true(str_eq(str_of(json_string_value(json_object_get(error, "token"))),
			error_token((enum error)e)));
		assert_string_equal(
			json_string_value(json_object_get(error, "request_id")), "id-1");
		assert_string_equal(json_string_value(json_object_get(error, "reason")),
			"<script>alert(\"1\")</script>\n\x01\xef\xbf\xbd&'");
		assert_int_equal(json_object_get(error, "output") != NULL, e % 2);
		json_decref(json);
		response_close(&r);
	}
}

static void every_error_has_a_line_of_text(void **state)
{
	(void)state;
	for (int e = ERROR_NONE + 1; e < ERROR_NERRORS; e++) {
		struct error_in in = error_of((enum error)e, WANTS_TEXT);
		struct response r;

		in.reason = in.request_id = in.date = STR_EMPTY;
		answer_open(&r, &in);
		expect_str(response_field(&r, "Content-Type"), "text/plain; charset=utf-8");
		expect_str(response_field(&r, "Date"), "");
		expect_str(response_field(&r, "X-Request-ID"), "");
		assert_true(str_find(r.body, error_text((enum error)e)) > 0);
		assert_int_equal(str_find_char(r.body, '\n'), r.body.n - 1);
		response_close(&r);
	}
}

static void the_details_of_an_answer_are_heeded(void **state)
{
	struct error_in in = error_of(ERROR_START_FAILED, WANTS_HTML);
	struct response r;

	(void)state;
	in.status = 502;
	in.retry_after = 17;
	in.keep_alive = false;
	in.output = STR("<b>last</b> line");
	answer_open(&r, &in);
	expect_str(response_field(&r, "Retry-After"), "17");
	expect_str(response_field(&r, "Connection"), "close");
	assert_true(contains(r.body, "&lt;b&gt;last&lt;/b&gt; line"));
	response_close(&r);
	in.keep_alive = true;
	in.minor = 0;
	in.is_head = true;
	answer_open(&r, &in);
	expect_str(response_field(&r, "Connection"), "keep-alive");
	response_close(&r);
}

/* An answer may stand behind other bytes in the buffer. */
static void answers_follow_one_another(void **state)
{
	struct error_in in = error_of(ERROR_NOT_FOUND, WANTS_TEXT);
	struct buf once = {0}, twice = {0};

	(void)state;
	error_answer(&once, &in);
	buf_add(&twice, STR("xxx"));
	buf_consume(&twice, 2);
	error_answer(&twice, &in);
	error_answer(&twice, &in);
	assert_int_equal(buf_len(&twice), 1 + 2 * buf_len(&once));
	assert_memory_equal(buf_str(&twice).p + 1, buf_str(&once).p, buf_len(&once));
	assert_memory_equal(
		buf_str(&twice).p + 1 + buf_len(&once), buf_str(&once).p, buf_len(&once));
	buf_done(&once);
	buf_done(&twice);
}

static void tokens_tell_errors_apart(void **state)
{
	(void)state;
	assert_int_equal(error_token(ERROR_NONE).n, 0);
	for (int a = ERROR_NONE + 1; a < ERROR_NERRORS; a++) {
		assert_in_range(error_status((enum error)a), 400, 599);
		for (int b = ERROR_NONE + 1; b < a; b++)
			assert_false(
				str_eq(error_token((enum error)a), error_token((enum error)b)));
	}
}

static void parsers_statuses_have_errors(void **state)
{
	static const unsigned statuses[] = {400, 408, 413, 414, 417, 431, 501, 505};

	(void)state;
	for (size_t i = 0; i < NITEMS(statuses); i++)
		assert_int_equal(error_status(error_of_status(statuses[i])), statuses[i]);
	assert_int_equal(error_of_status(400), ERROR_BAD_REQUEST);
	assert_int_equal(error_of_status(299), ERROR_BAD_REQUEST);
}

static void wishes_are_read_from_accept(void **state)
{
	static const struct {
		const char *fields;
		enum wants wants;
	} rows[] = {
		{"", WANTS_TEXT},
		{"Accept: */*\r\n", WANTS_TEXT},
		{"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n",
			WANTS_HTML},
		{"Accept: application/json\r\n", WANTS_JSON},
		{"Accept: application/json, text/plain, */*\r\n", WANTS_JSON},
		{"Accept: application/problem+json\r\n", WANTS_JSON},
		{"Accept: text/html;q=0.5, application/json\r\n", WANTS_JSON},
		{"Accept: text/html, application/json;q=0.5\r\n", WANTS_HTML},
		{"Accept: text/html, application/json\r\n", WANTS_HTML},
		{"Accept: text/html;q=0\r\n", WANTS_TEXT},
		{"Accept: text/html\r\nSec-Fetch-Dest: document\r\n", WANTS_HTML},
		{"Accept: text/html\r\nSec-Fetch-Dest: iframe\r\n", WANTS_HTML},
		{"Accept: application/json\r\nSec-Fetch-Dest: empty\r\n", WANTS_JSON},
		{"Accept: text/html\r\nSec-Fetch-Dest: script\r\n", WANTS_TEXT},
		{"Accept: image/avif,*/*\r\nSec-Fetch-Dest: image\r\n", WANTS_TEXT},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		char *bytes = xasprintf("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", rows[i].fields);
		struct request r;

		request_open(&r, str_of(bytes));
		assert_int_equal(wants_of(&r.head), rows[i].wants);
		request_close(&r);
		free(bytes);
	}
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	free(path);
}

static void remove_files(const char *dir, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", dir, names[i]);

		assert_int_equal(remove(path), 0);
		free(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

static void expect_body(const struct error_in *in, const char *type, const char *body)
{
	struct response r;

	answer_open(&r, in);
	expect_str(response_field(&r, "Content-Type"), type);
	if (body)
		expect_str(r.body, body);
	response_close(&r);
}

static void the_owners_pages_are_shown(void **state)
{
	static const char *const names[] = {"404.html", "503.html", "500.html", "bad.html"};
	char dir[] = "/tmp/pages-XXXXXX", *path, *bad;
	struct config conf = {0};
	struct error_in in;

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "404.html", "<p>Nothing!");
	write_file(dir, "503.html", "");
	write_file(dir, "bad.html", "<p>Gateway!");
	path = xasprintf("%s/500.html", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	bad = xasprintf("%s/bad.html", dir);
	conf.server.error_pages = str_of(dir);
	conf.server.bad_gateway_page = str_of(bad);
	log_set_level(LOG_ERROR);
	in = error_of(ERROR_NOT_FOUND, WANTS_HTML);
	in.pages = pages_new(&conf);

	expect_body(&in, "text/html; charset=utf-8", "<p>Nothing!");
	in.wants = WANTS_TEXT;
	expect_body(&in, "text/html; charset=utf-8", "<p>Nothing!");
	in.wants = WANTS_JSON;
	expect_body(&in, "application/json", NULL);
	in.wants = WANTS_TEXT;
	in.error = ERROR_BAD_RESPONSE;
	expect_body(&in, "text/html; charset=utf-8", "<p>Gateway!");
	in.error = ERROR_START_FAILED; /* an empty file is no page */
	expect_body(&in, "text/plain; charset=utf-8", NULL);
	in.status = 502;
	expect_body(&in, "text/html; charset=utf-8", "<p>Gateway!");
	in.status = 0;
	in.error = ERROR_INTERNAL; /* a directory neither */
	expect_body(&in, "text/plain; charset=utf-8", NULL);

	pages_free((struct error_pages *)(uintptr_t)in.pages);
	pages_free(NULL);
	remove_files(dir, names, NITEMS(names));
	free(path);
	free(bad);
}

static void the_directory_is_stronger_than_the_bad_gateway_page(void **state)
{
	static const char *const names[] = {"502.html", "bad.html"};
	char dir[] = "/tmp/pages-XXXXXX", *bad;
	struct error_in in = error_of(ERROR_CONNECT_FAILED, WANTS_HTML);
	struct config conf = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "502.html", "directory");
	write_file(dir, "bad.html", "page");
	bad = xasprintf("%s/bad.html", dir);
	conf.server.error_pages = str_of(dir);
	conf.server.bad_gateway_page = str_of(bad);
	in.pages = pages_new(&conf);
	expect_body(&in, "text/html; charset=utf-8", "directory");
	pages_free((struct error_pages *)(uintptr_t)in.pages);
	conf.server.error_pages = STR_EMPTY;
	in.pages = pages_new(&conf);
	expect_body(&in, "text/html; charset=utf-8", "page");
	pages_free((struct error_pages *)(uintptr_t)in.pages);
	conf.server.bad_gateway_page = STR("/nonexistent/502.html");
	in.pages = pages_new(&conf);
	expect_body(&in, "text/html; charset=utf-8", NULL);
	pages_free((struct error_pages *)(uintptr_t)in.pages);
	remove_files(dir, names, NITEMS(names));
	free(bad);
}

static void redirects_keep_the_query(void **state)
{
	static const struct {
		bool has_query;
		const char *query, *location;
	} rows[] = {
		{false, "", "/b/winter/"},
		{true, "", "/b/winter/?"},
		{true, "a=1&b=%zz", "/b/winter/?a=1&b=%zz"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct redirect_in in = {
			.status = 308,
			.minor = 1,
			.keep_alive = true,
			.before = STR("/b/winter"),
			.path = STR("/"),
			.has_query = rows[i].has_query,
			.query = str_of(rows[i].query),
			.date = STR_EMPTY,
		};
		struct buf out = {0};
		struct response r;

		redirect_answer(&out, &in);
		response_open(&r, buf_str(&out), METHOD_GET);
		assert_int_equal(r.head.status, 308);
		expect_str(response_field(&r, "Location"), rows[i].location);
		assert_true(r.head.has_content_length && !r.head.content_length && !r.body.n);
		assert_true(r.head.keep_alive);
		response_close(&r);
		buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_a_page),
		cmocka_unit_test(every_error_has_json),
		cmocka_unit_test(every_error_has_a_line_of_text),
		cmocka_unit_test(the_details_of_an_answer_are_heeded),
		cmocka_unit_test(answers_follow_one_another),
		cmocka_unit_test(tokens_tell_errors_apart),
		cmocka_unit_test(parsers_statuses_have_errors),
		cmocka_unit_test(wishes_are_read_from_accept),
		cmocka_unit_test(the_owners_pages_are_shown),
		cmocka_unit_test(the_directory_is_stronger_than_the_bad_gateway_page),
		cmocka_unit_test(redirects_keep_the_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
