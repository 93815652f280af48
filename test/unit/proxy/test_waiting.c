/* test_waiting.c - the page that a browser sees while a tenant starts, and its events. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include <jansson.h>

#include "proxy/waiting.h"

static bool contains(str text, const char *part)
{
	return str_find(text, str_of(part)) >= 0;
}

static void page_open(struct response *r, enum tenant_state state, const char *name, bool is_head)
{
	struct buf out = {0};

	waiting_page(&out, &(struct waiting_in){
				   .name = str_of(name),
				   .prefix = STR("/b/\"winter\""),
				   .state = state,
				   .reason = state == TENANT_FAILED ? STR("<why>") : STR_EMPTY,
				   .waited = 3400,
				   .minor = 1,
				   .keep_alive = true,
				   .is_head = is_head,
				   .request_id = STR("id-1"),
				   .date = STR("Sun, 06 Nov 1994 08:49:37 GMT"),
			   });
	response_open(r, buf_str(&out), is_head ? METHOD_HEAD : METHOD_GET);
	buf_done(&out);
}

static void the_page_is_for_people_alone(void **state)
{
	struct response r;

	(void)state;
	page_open(&r, TENANT_PREPARING, "b/<winter>", false);
	assert_int_equal(r.head.status, 503);
	assert_int_equal(r.head.content_length, r.body.n);
	expect_str(response_field(&r, "Cache-Control"), "no-store");
	expect_str(response_field(&r, "Retry-After"), "2");
	expect_str(response_field(&r, "Fly-Atc-Error"), "starting");
	expect_str(response_field(&r, "X-Request-ID"), "id-1");
	expect_str(response_field(&r, "Content-Type"), "text/html; charset=utf-8");
	assert_true(contains(
		r.body, "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>"));
	assert_true(contains(r.body, "data-events=\"/b/&quot;winter&quot;/.fly-atc/wait\""));
	assert_true(contains(r.body, "data-waited=\"3400\""));
	assert_true(contains(r.body, "<h1>b/&lt;winter&gt; is waking up</h1>"));
	assert_true(contains(r.body, "<p role=\"status\">Preparing the databases.</p>"));
	assert_true(contains(r.body, "<li data-state=\"restoring\" class=\"done\">"));
	assert_true(contains(
		r.body, "<li data-state=\"preparing\" class=\"now\" aria-current=\"step\">"));
	assert_true(contains(r.body, "<li data-state=\"starting\">"));
	assert_true(contains(r.body, "prefers-reduced-motion"));
	response_close(&r);
	page_open(&r, TENANT_PREPARING, "b", true);
	assert_true(r.head.content_length > 0 && !r.body.n);
	response_close(&r);
}

static void every_state_has_a_page(void **state)
{
	(void)state;
	for (int s = 0; s < TENANT_NSTATES; s++) {
		char *phase = xstrdup(tenant_state_phase((enum tenant_state)s));
		struct response r;

		phase[0] = (char)(phase[0] & ~0x20);
		page_open(&r, (enum tenant_state)s, "b", false);
		assert_true(contains(r.body, phase));
		assert_int_equal(contains(r.body, "<p class=\"reason\">&lt;why&gt;</p>"),
			s == TENANT_FAILED);
		assert_int_equal(
			contains(r.body, "<p class=\"reason\" hidden></p>"), s != TENANT_FAILED);
		assert_int_equal(contains(r.body, "aria-current=\"step\""),
			s == TENANT_RESTORING || s == TENANT_PREPARING || s == TENANT_STARTING);
		response_close(&r);
		free(phase);
	}
}

static void the_stream_has_no_end_of_its_own(void **state)
{
	struct buf out = {0};
	struct response r;

	(void)state;
	waiting_events_head(&out, STR("Sun, 06 Nov 1994 08:49:37 GMT"));
	response_open(&r, buf_str(&out), METHOD_GET);
	assert_int_equal(r.head.status, 200);
	assert_int_equal(r.head.body, BODY_UNTIL_CLOSE);
	expect_str(response_field(&r, "Content-Type"), "text/event-stream");
	expect_str(response_field(&r, "Cache-Control"), "no-store");
	expect_str(response_field(&r, "Connection"), "close");
	response_close(&r);
	buf_done(&out);
}

static void every_state_has_an_event(void **state)
{
	const str before = STR("event: phase\ndata: "), after = STR("\n\n");

	(void)state;
	for (int s = 0; s < TENANT_NSTATES; s++) {
		struct buf out = {0};
		json_t *json;
		str event;

		waiting_event(
			&out, (enum tenant_state)s, 1234, STR("it \"broke\"\r\nbadly\n\ndata: x"));
		event = buf_str(&out);
		assert_true(str_starts(event, before) && str_ends(event, after));
		event = str_slice(event, before.n, event.n - after.n);
		assert_int_equal(str_find_char(event, '\n'), -1);
		assert_int_equal(str_find_char(event, '\r'), -1);
		json = json_loadb(event.p, event.n, JSON_REJECT_DUPLICATES, NULL);
		assert_string_equal(json_string_value(json_object_get(json, "state")),
			tenant_state_name((enum tenant_state)s));
		assert_string_equal(json_string_value(json_object_get(json, "text")),
			tenant_state_phase((enum tenant_state)s));
		assert_string_equal(json_string_value(json_object_get(json, "reason")),
			"it \"broke\"\r\nbadly\n\ndata: x");
		assert_int_equal(json_integer_value(json_object_get(json, "since")), 1234);
		json_decref(json);
		buf_done(&out);
	}
}

static void only_the_tenants_own_path_is_the_stream(void **state)
{
	(void)state;
	assert_true(waiting_is_events(STR("/b/winter"), STR("/b/winter/.fly-atc/wait")));
	assert_true(waiting_is_events(STR_EMPTY, STR("/.fly-atc/wait")));
	assert_false(waiting_is_events(STR("/b/winter"), STR("/.fly-atc/wait")));
	assert_false(waiting_is_events(STR("/b/winter"), STR("/b/summer/.fly-atc/wait")));
	assert_false(waiting_is_events(STR("/b/winter"), STR("/b/wintex/.fly-atc/wait")));
	assert_false(waiting_is_events(STR("/b/winter"), STR("/b/winter/.fly-atc/wait/")));
	assert_false(waiting_is_events(STR_EMPTY, STR("/b/winter/.fly-atc/wait")));
}

static void only_navigations_get_the_page(void **state)
{
	static const struct {
		const char *line, *fields;
		bool wants_page;
	} rows[] = {
		{"GET /", "Accept: text/html,*/*;q=0.8\r\n", true},
		{"GET /", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n", true},
		{"GET /", "Accept: text/html\r\nSec-Fetch-Mode: cors\r\n", false},
		{"GET /", "Accept: text/html\r\nSec-Fetch-Mode: same-origin\r\n", false},
		{"GET /", "Accept: */*\r\n", false},
		{"GET /", "", false},
		{"GET /", "Accept: application/json\r\n", false},
		{"HEAD /", "Accept: text/html\r\n", false},
		{"POST /", "Accept: text/html\r\nContent-Length: 3\r\n", false},
		{"GET /", "Accept: text/html\r\nContent-Length: 3\r\n", false},
		{"GET /", "Accept: text/html\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
			false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		char *bytes =
			xasprintf("%s HTTP/1.1\r\nHost: x\r\n%s\r\n", rows[i].line, rows[i].fields);
		struct request r;

		request_open(&r, str_of(bytes));
		assert_int_equal(waiting_wants_page(&r.head), rows[i].wants_page);
		request_close(&r);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_for_people_alone),
		cmocka_unit_test(every_state_has_a_page),
		cmocka_unit_test(the_stream_has_no_end_of_its_own),
		cmocka_unit_test(every_state_has_an_event),
		cmocka_unit_test(only_the_tenants_own_path_is_the_stream),
		cmocka_unit_test(only_navigations_get_the_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
