/* test_cache_pattern.c - which paths are one pattern, and what is believed of it for how long. */
/* SPDX-License-Identifier: MIT */
#include "../http/fields.h"

#include "content/cache_pattern.h"

#define MINUTES (60 * 1000)

static const struct {
	const char *one, *other;
	bool are_alike;
} cases[] = {
	{"/items/1", "/items/2", true},
	{"/items/1", "/items/20251128", true},
	{"/items/1/edit", "/items/2/edit", true},
	{"/items/1/edit", "/items/2/show", false},
	{"/items/1", "/items/1/edit", false},
	{"/items/1", "/items/1/", false},
	{"/items/1", "/items/new", false},
	{"/items/1", "/others/1", false},
	{"/items", "/items/1", false},
	{"/items/1.json", "/items/2.json", true},
	{"/items/1.json", "/items/1.html", false},
	{"/posts/17-a-title", "/posts/9-another", true},
	{"/days/2025-11-28", "/days/2026-01-01", true},
	{"/x/6fa459ea-ee8a-3ca4-894e-db77e160355e", "/x/16fd2706-8baf-433b-82eb-8c7fada847da",
		true},
	{"/x/deadbeef0", "/x/0badcafe", true},
	{"/x/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/x/Z1ARZ3NDEKTSV4RRFFQ69G5FA", true},
	{"/feedface", "/deadbeef", false},
	{"/v1/items", "/v2/items", false},
	{"/a1", "/a2", false},
	{"/page2", "/page3", false},
	{"/a/1/b/2", "/a/3/b/4", true},
	{"/", "/1", false},
	{"/", "//", false},
};

static void test_paths_of_one_pattern(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		bool are_alike = cache_pattern_of(7, str_of(cases[i].one)) ==
				 cache_pattern_of(7, str_of(cases[i].other));

		if (are_alike != cases[i].are_alike)
			fail_msg("%s and %s", cases[i].one, cases[i].other);
	}
}

static void test_tenants_have_patterns_of_their_own(void **state)
{
	(void)state;
	assert_true(cache_pattern_of(1, STR("/x")) != cache_pattern_of(2, STR("/x")));
}

static void test_the_last_that_was_seen_is_believed_for_five_minutes(void **state)
{
	struct cache_patterns *p = cache_patterns_new();
	uint64_t one = cache_pattern_of(1, STR("/one")), other = cache_pattern_of(1, STR("/other"));
	msec now = 1000 * MINUTES;

	(void)state;
	assert_false(cache_pattern_is_refused(p, one, now));
	cache_pattern_refuse(p, one, now);
	assert_true(cache_pattern_is_refused(p, one, now + 5 * MINUTES - 1000));
	assert_false(cache_pattern_is_refused(p, one, now + 5 * MINUTES));
	assert_false(cache_pattern_is_refused(p, other, now));
	cache_pattern_allow(p, other);
	assert_true(cache_pattern_is_refused(p, one, now));
	cache_pattern_allow(p, one);
	assert_false(cache_pattern_is_refused(p, one, now));
	cache_patterns_free(p);
}

static void test_it_holds_no_more_than_its_places(void **state)
{
	struct cache_patterns *p = cache_patterns_new();
	uint64_t kept = 0;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		cache_pattern_refuse(p, cache_pattern_of(i, STR("/x")), 1);
	for (uint64_t i = 0; i < 100000; i++)
		kept += cache_pattern_is_refused(p, cache_pattern_of(i, STR("/x")), 1);
	assert_in_range(kept, 1000, 4096);
	cache_patterns_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_of_one_pattern),
		cmocka_unit_test(test_tenants_have_patterns_of_their_own),
		cmocka_unit_test(test_the_last_that_was_seen_is_believed_for_five_minutes),
		cmocka_unit_test(test_it_holds_no_more_than_its_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
