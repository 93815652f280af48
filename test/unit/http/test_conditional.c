/* test_conditional.c - preconditions, and in which order they are looked at. */
/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include "http/conditional.h"

#define HOLDS	 PRECONDITION_HOLDS
#define SAME_AS	 PRECONDITION_NOT_MODIFIED
#define FAILED	 PRECONDITION_FAILED
#define NOW	 1763942400 /* November 2025 */
#define MODIFIED 784111777  /* Sun, 06 Nov 1994 08:49:37 GMT */
#define SAME	 "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE	 "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER	 "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct validators both = {
	.etag = STR_INIT("\"a,b\\\""),
	.has_last_modified = true,
	.last_modified = MODIFIED,
	.date = NOW,
};
static const struct validators weak = {.etag = STR_INIT("W/\"x\""), .date = NOW};

static void tags_are_taken_off_lists(void **state)
{
	static const struct {
		const char *list, *tags;
	} cases[] = {
		{"", ""},
		{" , ,", ""},
		{"\"a\"", "\"a\"|"},
		{"\"a\", W/\"b\"", "\"a\"|W/\"b\"|"},
		{"\"a,b\",\"\\\",\"c\"", "\"a,b\"|\"\\\"|\"c\"|"},
		{"a, \"b", "a|\"b|"},
		{"\"a\" x, w/\"b\"", "\"a\" x|w/\"b\"|"},
		{"*", "*|"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		str rest = str_of(cases[i].list), tag;
		char got[64] = "";

		while (etag_next(&rest, &tag)) {
			strncat(got, tag.p, tag.n);
			strcat(got, "|");
		}
		assert_string_equal(got, cases[i].tags);
	}
}

static void tags_are_compared_weakly_and_strongly(void **state)
{
	static const struct {
		const char *a, *b;
		bool strong, weak;
	} cases[] = {/* RFC 9110 8.8.3.2 */
		{"W/\"1\"", "W/\"1\"", false, true}, {"W/\"1\"", "W/\"2\"", false, false},
		{"W/\"1\"", "\"1\"", false, true}, {"\"1\"", "\"1\"", true, true},
		{"w/\"1\"", "\"1\"", false, false}};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		str a = str_of(cases[i].a), b = str_of(cases[i].b);

		assert_int_equal(etag_eq_strong(a, b), cases[i].strong);
		assert_int_equal(etag_eq_strong(b, a), cases[i].strong);
		assert_int_equal(etag_eq_weak(a, b), cases[i].weak);
		assert_int_equal(etag_eq_weak(b, a), cases[i].weak);
	}
}

static void preconditions_are_evaluated_in_order(void **state)
{
	static const struct {
		const char *headers;
		const struct validators *v;
		enum precondition get, put;
	} cases[] = {
		{"Accept: x", &both, HOLDS, HOLDS},
		{"If-Match: *", &both, HOLDS, HOLDS},
		{"If-Match: \"q\"|If-Match: \"p\", \"a,b\\\"", &both, HOLDS, HOLDS},
		{"If-Match: \"q\"", &both, FAILED, FAILED},
		{"If-Match: W/\"a,b\\\"", &both, FAILED, FAILED},
		{"If-Match: W/\"x\"", &weak, FAILED, FAILED},
		{"If-Match: *|If-Unmodified-Since: " BEFORE, &both, HOLDS, HOLDS},
		{"If-Unmodified-Since: " BEFORE, &both, FAILED, FAILED},
		{"If-Unmodified-Since: " SAME, &both, HOLDS, HOLDS},
		{"If-Unmodified-Since: " AFTER, &both, HOLDS, HOLDS},
		{"If-Unmodified-Since: " BEFORE, &weak, HOLDS, HOLDS},
		{"If-Unmodified-Since: yesterday", &both, HOLDS, HOLDS},
		{"If-None-Match: *", &both, SAME_AS, FAILED},
		{"If-None-Match: \"p\"|If-None-Match: \"q\",W/\"a,b\\\"", &both, SAME_AS, FAILED},
		{"If-None-Match: \"x\"", &weak, SAME_AS, FAILED},
		{"If-None-Match: \"y\"", &weak, HOLDS, HOLDS},
		{"If-None-Match: \"y\", *", &weak, HOLDS, HOLDS},
		{"If-None-Match: \"y\"|If-Modified-Since: " SAME, &both, HOLDS, HOLDS},
		{"If-None-Match:", &both, HOLDS, HOLDS},
		{"If-Modified-Since: " BEFORE, &both, HOLDS, HOLDS},
		{"If-Modified-Since: " SAME, &both, SAME_AS, HOLDS},
		{"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", &both, SAME_AS, HOLDS},
		{"If-Modified-Since: " AFTER, &both, SAME_AS, HOLDS},
		{"If-Modified-Since: " AFTER, &weak, HOLDS, HOLDS},
		{"If-Modified-Since: " AFTER "|If-Modified-Since: " AFTER, &both, HOLDS, HOLDS},
		{"If-Match: \"q\"|If-None-Match: *", &both, FAILED, FAILED},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct header h[TEST_HEADERS];
		size_t n = make_headers(cases[i].headers, h);

		assert_int_equal(
			precondition_check(h, n, METHOD_GET, cases[i].v, NOW), cases[i].get);
		assert_int_equal(
			precondition_check(h, n, METHOD_HEAD, cases[i].v, NOW), cases[i].get);
		assert_int_equal(
			precondition_check(h, n, METHOD_PUT, cases[i].v, NOW), cases[i].put);
	}
}

static void a_range_of_something_else_is_not_sent(void **state)
{
	static const struct validators fresh = {
		.has_last_modified = true, .last_modified = MODIFIED, .date = MODIFIED};
	static const struct {
		const char *headers;
		const struct validators *v;
		bool holds;
	} cases[] = {
		{"Range: bytes=0-1", &both, true},
		{"If-Range: \"a,b\\\"", &both, true},
		{"If-Range: \"a\"", &both, false},
		{"If-Range: W/\"x\"", &weak, false},
		{"If-Range: \"x\"", &weak, false},
		{"If-Range: *", &both, false},
		{"If-Range: " SAME, &both, true},
		{"If-Range: " AFTER, &both, false},
		{"If-Range: " SAME, &weak, false},
		{"If-Range: " SAME, &fresh, false},
		{"If-Range: " SAME "|If-Range: " SAME, &both, false},
		{"If-Range: yesterday", &both, false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct header h[TEST_HEADERS];
		size_t n = make_headers(cases[i].headers, h);

		assert_int_equal(precondition_range_holds(h, n, cases[i].v, NOW), cases[i].holds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_taken_off_lists),
		cmocka_unit_test(tags_are_compared_weakly_and_strongly),
		cmocka_unit_test(preconditions_are_evaluated_in_order),
		cmocka_unit_test(a_range_of_something_else_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
