/* test_cache_policy.c - what may be stored, how long it is fresh, what may be done with it then. */
/* SPDX-License-Identifier: MIT */
#include "../http/fields.h"

#include "content/cache_policy.h"

#define NOW 1763942400 /* Mon, 24 Nov 2025 00:00:00 GMT */

struct stored {
	enum cache_why why;
	struct cache_terms terms;
};

static struct stored judge(enum cache_how how, unsigned status, const char *fields, bool has_auth)
{
	struct header headers[TEST_HEADERS];
	struct response_head head = {.status = status, .headers = headers};
	struct cache_offer offer = {
		.how = how,
		.method = METHOD_GET,
		.has_authorization = has_auth,
		.head = &head,
		.now = NOW,
	};
	struct stored s = {0};

	head.nheaders = make_headers(fields, headers);
	s.why = cache_may_store(&offer, &s.terms);
	return s;
}

static void thruster_s_caution(void **state)
{
	static const struct {
		unsigned status;
		const char *fields;
		enum cache_why why;
	} cases[] = {
		{200, "Cache-Control: public, max-age=60", WHY_OK},
		{200, "Cache-Control: PUBLIC|Cache-Control: Max-Age=60", WHY_OK},
		{200, "Cache-Control: public, s-maxage=60", WHY_OK},
		{200, "Cache-Control: public, s-max-age=60", WHY_OK},
		{200, "Cache-Control: s-maxage=60", WHY_OK},
		{200, "CDN-Cache-Control: max-age=60|Cache-Control: no-store", WHY_OK},
		{200, "Fly-Atc-Cache-Control: max-age=60", WHY_OK},
		{200, "Cache-Control: public|Expires: Mon, 24 Nov 2025 01:00:00 GMT", WHY_OK},
		{201, "Cache-Control: public, max-age=60", WHY_OK},
		{301, "Cache-Control: public, max-age=60", WHY_OK},
		{200, "Cache-Control: public, max-age=60|Set-Cookie: a=b", WHY_OK},
		{200, "Cache-Control: public, max-age=60, no-cache=\"Set-Cookie\"", WHY_OK},
		{200, "Date: x", WHY_NOT_PUBLIC},
		{200, "Cache-Control: max-age=60", WHY_NOT_PUBLIC},
		{200, "Cache-Control: public", WHY_NO_LIFETIME},
		{200, "Cache-Control: public|Last-Modified: Mon, 03 Nov 2025 00:00:00 GMT",
			WHY_NO_LIFETIME},
		{200, "Cache-Control: public, max-age=0", WHY_STALE},
		{200, "Cache-Control: public, max-age=60, s-maxage=0", WHY_STALE},
		{200, "Cache-Control: public, max-age=x", WHY_STALE},
		{200, "Cache-Control: public|Expires: 0", WHY_STALE},
		{200, "Cache-Control: public, max-age=60, private", WHY_PRIVATE},
		{200, "Cache-Control: public, max-age=60, no-store", WHY_NO_STORE},
		{200, "Cache-Control: public, max-age=60, No-Cache", WHY_NO_CACHE},
		{200, "Cache-Control: public, x-max-age=60", WHY_NO_LIFETIME},
		{200, "Cache-Control: s-maxage=60|Set-Cookie: a=b", WHY_SET_COOKIE},
		{200, "Cache-Control: public, max-age=60, x=\"", WHY_GARBLED},
		{200, "Cache-Control: public, max-age=60|Fly-Replay: region=iad", WHY_REPLAY},
		{404, "Cache-Control: public, max-age=60", WHY_STATUS},
		{206, "Cache-Control: public, max-age=60", WHY_STATUS},
		{304, "Cache-Control: public, max-age=60", WHY_STATUS},
		{500, "Cache-Control: public, max-age=60", WHY_STATUS},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct stored s = judge(CACHE_THRUSTER, cases[i].status, cases[i].fields, false);

		if (s.why != cases[i].why)
			fail_msg("%u %s: \"%s\"", cases[i].status, cases[i].fields,
				cache_why_text(s.why).p);
		if (s.why == WHY_OK)
			assert_true(s.terms.lifetime >= 60);
	}
}

static void all_of_the_rfc(void **state)
{
	static const struct {
		unsigned status;
		const char *fields;
		enum cache_why why;
		int64_t lifetime;
	} cases[] = {
		{200, "Cache-Control: max-age=60", WHY_OK, 60},
		{404, "Cache-Control: max-age=60", WHY_OK, 60},
		{599, "Cache-Control: max-age=60", WHY_OK, 60},
		{200, "Cache-Control: max-age=60|Expires: Mon, 24 Nov 2025 01:00:00 GMT", WHY_OK,
			60},
		{200, "Expires: Mon, 24 Nov 2025 01:00:00 GMT", WHY_OK, 3600},
		{200, "Expires: mon, 24 nov 2025 01:00:00 gmt", WHY_OK, 3600},
		{200, "Expires: Mon, 24 Nov 2025 01:00:00 GMT|Date: Mon, 24 Nov 2025 00:30:00 GMT",
			WHY_OK, 1800},
		{200, "Last-Modified: Sun, 23 Nov 2025 00:00:00 GMT", WHY_OK, 8640},
		{200, "Last-Modified: Sun, 23 Nov 2003 00:00:00 GMT", WHY_OK, 86400},
		{201, "Last-Modified: Sun, 23 Nov 2025 00:00:00 GMT", WHY_OK, 0},
		{599, "Cache-Control: public|Last-Modified: Sun, 23 Nov 2025 00:00:00 GMT", WHY_OK,
			8640},
		{200, "Cache-Control: no-cache|ETag: \"x\"", WHY_OK, 0},
		{200, "Cache-Control: max-age=0|ETag: \"x\"", WHY_OK, 0},
		{200, "Cache-Control: max-age=0, stale-if-error=60", WHY_OK, 0},
		{200, "Cache-Control: no-store, must-understand, max-age=60", WHY_OK, 60},
		{599, "Cache-Control: must-understand, max-age=60", WHY_STATUS, 0},
		{200, "Cache-Control: no-cache", WHY_NO_CACHE, 0},
		{200, "Cache-Control: max-age=0", WHY_STALE, 0},
		{200, "Cache-Control: max-age=60|Age: 60", WHY_STALE, 0},
		{200, "Date: x", WHY_NO_LIFETIME, 0},
		{200, "Expires: Mon, 24 Nov 2025 01:00:00 GMT|Expires: Mon, 24 Nov 2025 01:00:00 GMT",
			WHY_STALE, 0},
		{200, "Cache-Control: no-store, max-age=60", WHY_NO_STORE, 0},
		{200, "Cache-Control: private, max-age=60", WHY_PRIVATE, 0},
		{206, "Cache-Control: max-age=60", WHY_STATUS, 0},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct stored s = judge(CACHE_RFC9111, cases[i].status, cases[i].fields, false);

		if (s.why != cases[i].why ||
			(s.why == WHY_OK && s.terms.lifetime != cases[i].lifetime))
			fail_msg("%u %s: \"%s\" %lld", cases[i].status, cases[i].fields,
				cache_why_text(s.why).p, (long long)s.terms.lifetime);
	}
	assert_int_equal(judge(CACHE_OFF, 200, "Cache-Control: max-age=60", false).why, WHY_OFF);
}

static void what_was_asked_with_credentials_is_kept_only_where_it_says_so(void **state)
{
	(void)state;
	assert_int_equal(judge(CACHE_RFC9111, 200, "Cache-Control: max-age=60", true).why,
		WHY_AUTHORIZATION);
	assert_int_equal(
		judge(CACHE_RFC9111, 200, "Cache-Control: max-age=60, public", true).why, WHY_OK);
	assert_int_equal(
		judge(CACHE_RFC9111, 200, "Cache-Control: max-age=60, must-revalidate", true).why,
		WHY_OK);
	assert_int_equal(
		judge(CACHE_THRUSTER, 200, "Cache-Control: s-maxage=60", true).why, WHY_OK);
}

static void ages_are_those_of_clocks_and_caches(void **state)
{
	static const struct {
		const char *fields;
		int64_t age;
	} cases[] = {
		{"Cache-Control: max-age=9", 0},
		{"Cache-Control: max-age=9999|Age: 70", 70},
		{"Cache-Control: max-age=9999|Age: 70, 0", 70},
		{"Cache-Control: max-age=9999|Age: 0|Age: 70", 0},
		{"Cache-Control: max-age=9999|Age: abc", 0},
		{"Cache-Control: max-age=9999|Age: -7", 0},
		{"Cache-Control: max-age=9999|Age: 7.0", 0},
		{"Cache-Control: max-age=9999|Date: Sun, 23 Nov 2025 23:59:00 GMT", 60},
		{"Cache-Control: max-age=9999|Date: Mon, 24 Nov 2025 00:01:00 GMT", 0},
		{"Cache-Control: max-age=9999|Date: Sun, 23 Nov 2025 23:59:00 GMT|Age: 90", 90},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		assert_int_equal(
			judge(CACHE_RFC9111, 200, cases[i].fields, false).terms.age, cases[i].age);
}

static void use_depends_on_age_and_request(void **state)
{
	static const struct {
		const char *stored, *request;
		int64_t age;
		enum cache_use use;
		enum cache_why why;
	} cases[] = {
		{"max-age=60", "", 0, CACHE_USE, WHY_OK},
		{"max-age=60", "", 59, CACHE_USE, WHY_OK},
		{"max-age=60", "", 60, CACHE_VALIDATE, WHY_STALE},
		{"max-age=60", "no-cache", 0, CACHE_VALIDATE, WHY_REQUEST},
		{"max-age=60", "max-age=10", 10, CACHE_USE, WHY_OK},
		{"max-age=60", "max-age=10", 11, CACHE_VALIDATE, WHY_REQUEST},
		{"max-age=60", "min-fresh=10", 50, CACHE_USE, WHY_OK},
		{"max-age=60", "min-fresh=10", 51, CACHE_VALIDATE, WHY_REQUEST},
		{"max-age=60", "max-stale", 6000, CACHE_USE, WHY_OK},
		{"max-age=60", "max-stale=5", 65, CACHE_USE, WHY_OK},
		{"max-age=60", "max-stale=5", 66, CACHE_VALIDATE, WHY_STALE},
		{"max-age=60, must-revalidate", "max-stale", 61, CACHE_VALIDATE, WHY_STALE},
		{"max-age=60, proxy-revalidate", "max-stale", 61, CACHE_VALIDATE, WHY_STALE},
		{"s-maxage=60", "max-stale", 61, CACHE_VALIDATE, WHY_STALE},
		{"max-age=60, no-cache", "max-stale", 1, CACHE_VALIDATE, WHY_NO_CACHE},
		{"max-age=60, stale-while-revalidate=9", "", 68, CACHE_USE_REVALIDATE, WHY_OK},
		{"s-maxage=60, stale-while-revalidate=9", "", 68, CACHE_USE_REVALIDATE, WHY_OK},
		{"max-age=60, stale-while-revalidate=9", "", 69, CACHE_VALIDATE, WHY_STALE},
		{"max-age=60, stale-while-revalidate=9, must-revalidate", "", 61, CACHE_VALIDATE,
			WHY_STALE},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char fields[128];
		struct header h[TEST_HEADERS];
		struct cache_control request;
		enum cache_why why;
		enum cache_use use;
		struct stored s;

		snprintf(fields, sizeof(fields), "ETag: \"x\"|Cache-Control: %s", cases[i].stored);
		s = judge(CACHE_RFC9111, 200, fields, false);
		assert_int_equal(s.why, WHY_OK);
		snprintf(fields, sizeof(fields), "Cache-Control: %s", cases[i].request);
		cache_control_of_request(h, make_headers(fields, h), &request);
		use = cache_may_use(&s.terms, cases[i].age, &request, &why);
		if (use != cases[i].use || (use == CACHE_VALIDATE && why != cases[i].why))
			fail_msg("%s / %s", cases[i].stored, cases[i].request);
	}
}

static void errors_are_covered_only_by_permission(void **state)
{
	static const struct {
		enum cache_how how;
		const char *stored;
		int64_t age;
		bool error, dead;
	} cases[] = {
		{CACHE_THRUSTER, "public, max-age=60", 61, false, false},
		{CACHE_THRUSTER, "public, max-age=60, stale-if-error=9", 68, true, true},
		{CACHE_THRUSTER, "public, max-age=60, stale-if-error=9", 69, false, false},
		{CACHE_THRUSTER, "s-maxage=60, stale-if-error=9", 61, true, true},
		{CACHE_THRUSTER, "public, max-age=60, stale-if-error=9, must-revalidate", 61, false,
			false},
		{CACHE_RFC9111, "max-age=60", 61, false, true},
		{CACHE_RFC9111, "max-age=60", 60 + 24 * 3600, false, false},
		{CACHE_RFC9111, "s-maxage=60", 61, false, false},
		{CACHE_RFC9111, "max-age=60, proxy-revalidate", 61, false, false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char fields[128];
		struct stored s;

		snprintf(fields, sizeof(fields), "Cache-Control: %s", cases[i].stored);
		s = judge(cases[i].how, 200, fields, false);
		assert_int_equal(s.why, WHY_OK);
		assert_int_equal(cache_may_rescue(&s.terms, cases[i].age, false), cases[i].error);
		assert_int_equal(cache_may_rescue(&s.terms, cases[i].age, true), cases[i].dead);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thruster_s_caution),
		cmocka_unit_test(all_of_the_rfc),
		cmocka_unit_test(what_was_asked_with_credentials_is_kept_only_where_it_says_so),
		cmocka_unit_test(ages_are_those_of_clocks_and_caches),
		cmocka_unit_test(use_depends_on_age_and_request),
		cmocka_unit_test(errors_are_covered_only_by_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
