/* test_asked.c - the head for the tenant, changed after it was written. */
/* SPDX-License-Identifier: MIT */
#include "proxy/asked.h"
#include "forwarding.h"

#define OURS                                                                                       \
	"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\n"           \
	"X-Request-ID: id-1\r\nX-Request-Start: t=1723800000123\r\n"
#define FILES "X-Sendfile-Type: X-Sendfile\r\n"
#define REQUEST                                                                                    \
	"GET /a HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"a\"\r\nAccept: b\r\nRange: bytes=0-1\r\n"  \
	"if-range: \"c\"\r\nCookie: d\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"

struct written {
	struct arena arena;
	struct buf request;
	struct asked asked;
};

static void write_request(struct written *w, bool sends_files)
{
	*w = (struct written){0};
	w->asked.nfields = forward_noted(&w->request, STR(REQUEST),
		&(struct setting){.sends_files = sends_files}, &w->asked.fields);
}

static void expect_and_free(struct written *w, const char *expected)
{
	expect_str(buf_str(&w->request), expected);
	free(w->asked.fields);
	buf_done(&w->request);
	arena_done(&w->arena);
}

static void our_validators_take_the_place_of_the_clients(void **state)
{
	struct written w;

	(void)state;
	write_request(&w, false);
	asked_validate(
		&w.arena, &w.asked, STR("\"z\""), STR("Fri, 02 Jan 1970 00:00:00 GMT"), &w.request);
	expect_and_free(&w, "GET /a HTTP/1.1\r\nHost: x\r\nAccept: b\r\nCookie: d\r\n" OURS
			    "If-None-Match: \"z\"\r\n"
			    "If-Modified-Since: Fri, 02 Jan 1970 00:00:00 GMT\r\n\r\n");
}

static void the_clients_own_fields_are_still_known(void **state)
{
	struct request_head head;
	struct written w;

	(void)state;
	write_request(&w, true);
	asked_validate(&w.arena, &w.asked, STR("\"z\""), STR_EMPTY, &w.request);
	assert_true(asked_without_file(&w.arena, &w.asked, &w.request));
	asked_head(&w.arena, &w.asked, &w.request, &head);
	expect_str(header_value(head.headers, head.nheaders, HEADER_IF_NONE_MATCH), "\"a\"");
	expect_str(header_value(head.headers, head.nheaders, HEADER_RANGE), "bytes=0-1");
	expect_str(header_value(head.headers, head.nheaders, HEADER_X_FORWARDED_FOR), "9.9.9.9");
	expect_and_free(&w, "GET /a HTTP/1.1\r\nHost: x\r\nAccept: b\r\nCookie: d\r\n" OURS
			    "If-None-Match: \"z\"\r\n\r\n");
}

static void a_tenant_is_asked_again_without_naming_files(void **state)
{
	struct written w;

	(void)state;
	write_request(&w, true);
	assert_true(str_find(buf_str(&w.request), STR(FILES)) > 0);
	assert_true(asked_without_file(&w.arena, &w.asked, &w.request));
	expect_and_free(&w,
		"GET /a HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"a\"\r\nAccept: b\r\nRange: bytes=0-1\r\n"
		"if-range: \"c\"\r\nCookie: d\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n" OURS
		"\r\n");
}

static void one_that_was_not_told_of_files_is_not_asked_again(void **state)
{
	struct written w;

	(void)state;
	write_request(&w, false);
	assert_false(asked_without_file(&w.arena, &w.asked, &w.request));
	assert_true(str_find(buf_str(&w.request), STR("If-None-Match: \"a\"")) > 0);
	expect_and_free(&w,
		"GET /a HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"a\"\r\nAccept: b\r\nRange: bytes=0-1\r\n"
		"if-range: \"c\"\r\nCookie: d\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n" OURS
		"\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_validators_take_the_place_of_the_clients),
		cmocka_unit_test(the_clients_own_fields_are_still_known),
		cmocka_unit_test(a_tenant_is_asked_again_without_naming_files),
		cmocka_unit_test(one_that_was_not_told_of_files_is_not_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
