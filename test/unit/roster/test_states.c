/* test_states.c - states and versions as texts: what is written is read, what is damaged is not
 * believed, and of a large roster the part is taken that a version can put at fault. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "roster/roster_int.h"

#define HEAD "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char good[] =
	"{\"roster\":1,\"version\":9,\"head\":\"" HEAD "\",\"users\":{"
	"\"bob\":{\"version\":7,\"how\":\"new\",\"tenants\":true,\"settings\":{\"machine\":\"m2\","
	"\"env\":{\"A\":\"1\",\"B\":null},\"no_wake\":[\"/x\"]}},"
	"\"carl\":{\"version\":9,\"how\":\"removed\"}},"
	"\"tenants\":{\"bob/2025/x\":{\"version\":8,\"how\":\"change\"}},\"machines\":{}}";

static void a_state_is_read_as_it_was_written(void **state)
{
	struct roster *r, *copy;
	struct buf text = {0};
	struct why why;

	(void)state;
	assert_int_equal(roster_parse(str_of(good), &r, &why), 0);
	assert_int_equal(roster_version(r), 9);
	copy = roster_copy(r);
	roster_free(r);
	roster_write(copy, &text);
	assert_true(str_eq(buf_str(&text), str_of(good)));
	roster_set_entry(copy, ROSTER_USER, STR("carl"), STR_EMPTY);
	assert_int_equal(roster_find(copy, ROSTER_USER, STR("carl")).n, 0);
	assert_true(roster_find(copy, ROSTER_USER, STR("bob")).n > 0);
	roster_free(copy);
	buf_done(&text);
}

static void nothing_is_written_of_version_0(void **state)
{
	struct roster *r = roster_new();
	struct buf text = {0};

	(void)state;
	roster_write(r, &text);
	assert_int_equal(buf_len(&text), 0);
	roster_free(r);
	buf_done(&text);
}

static void every_damaged_state_is_refused(void **state)
{
	static const struct {
		const char *from, *to; /* what is replaced in a good one */
	} cases[] = {
		{"\"roster\":1", "\"roster\":2"},
		{"\"roster\":1", "\"roster\":0"},
		{"\"roster\":1,", ""},
		{"\"version\":9,\"head\"", "\"version\":0,\"head\""},
		{"\"version\":9,\"head\"", "\"version\":-9,\"head\""},
		{"\"version\":9,\"head\"", "\"version\":8,\"head\""}, /* an entry is later */
		{"\"version\":9,\"head\"", "\"version\":99999999999,\"head\""},
		{HEAD, "0123"},
		{HEAD, "G123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		{"\"head\":\"" HEAD "\"", "\"head\":1"},
		{"\"machines\":{}", "\"machines\":[]"},
		{",\"machines\":{}", ""},
		{"\"carl\":", "\"bob\":"},
		{"\"carl\":", "\"a/b\":"},
		{"\"carl\":", "\"a b\":"},
		{"\"carl\":", "\"\":"},
		{"\"bob/2025/x\":", "\"bob\":"},
		{"\"bob/2025/x\":", "\"/bob\":"},
		{"\"bob/2025/x\":", "\"bob/\":"},
		{"\"removed\"", "\"gone\""},
		{"\"how\":\"removed\"", "\"how\":2"},
		{",\"how\":\"removed\"", ""},
		{"\"version\":7,", ""},
		{"\"tenants\":true", "\"tenants\":false"},
		{"\"machine\":\"m2\"", "\"machine\":2"},
		{"\"machine\":\"m2\"", "\"machine\":true"},
		{"\"settings\":{", "\"sittings\":{"},
		{"\"m2\"", "\"m\\u0000\""},
		{"}}}", "}}"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		ssize_t at = str_find(str_of(good), str_of(cases[i].from));
		struct roster *r = NULL;
		struct why why = {""};
		char *text;

		assert_true(at >= 0 || i + 1 == NITEMS(cases));
		text = xasprintf("%.*s%s%s", (int)at, good, cases[i].to,
			at < 0 ? "" : good + at + strlen(cases[i].from));
		if (roster_parse(str_of(text), &r, &why) != -EBADMSG)
			fail_msg("%s instead of %s was believed", cases[i].to, cases[i].from);
		assert_true(why.text[0]);
		free(text);
	}
}

static void a_setting_may_not_be_nested_without_end(void **state)
{
	struct buf text = {0};
	struct roster_entry e;
	struct why why;

	(void)state;
	buf_add(&text, STR("{\"version\":1,\"how\":\"new\",\"settings\":{\"a\":"));
	for (int i = 0; i < 1000; i++)
		buf_add_char(&text, '[');
	for (int i = 0; i < 1000; i++)
		buf_add_char(&text, ']');
	buf_add(&text, STR("}}"));
	assert_int_equal(entry_read_text(buf_str(&text), &e, &why), -EBADMSG);
	buf_done(&text);
}

static struct roster *large(void)
{
	struct roster *r = roster_new();

	r->version = 5000;
	memcpy(r->head, HEAD, sizeof(r->head));
	for (int i = 0; i < 2000; i++) {
		char *name = xasprintf("u%d", i), *tenant = xasprintf("u%d/x", i);

		roster_set_entry(r, ROSTER_USER, str_of(name),
			STR("{\"version\":1,\"how\":\"new\",\"tenants\":true}"));
		roster_set_entry(
			r, ROSTER_TENANT, str_of(tenant), STR("{\"version\":1,\"how\":\"new\"}"));
		free(name);
		free(tenant);
	}
	return r;
}

static void of_a_large_roster_only_the_users_of_a_version_are_taken(void **state)
{
	struct roster *r = large(), *part;
	struct roster_record record;

	(void)state;
	record_begin(&record, 5001, STR("test"));
	record_add(&record, ROSTER_TENANT, STR("u7/y"), STR_EMPTY, STR("x"));
	record_add(&record, ROSTER_USER, STR("u9"), STR_EMPTY, STR("x"));
	part = roster_part(r, &record);
	assert_non_null(part);
	assert_int_equal(part->entries[ROSTER_USER].count, 2);
	assert_int_equal(part->entries[ROSTER_TENANT].count, 2);
	assert_true(roster_find(part, ROSTER_TENANT, STR("u9/x")).n > 0);
	roster_free(part);
	/* Somebody who differs in capital letters only, a machine, or too many: all of it. */
	record_add(&record, ROSTER_USER, STR("U10"), STR_EMPTY, STR("x"));
	assert_null(roster_part(r, &record));
	roster_record_done(&record);
	record_begin(&record, 5001, STR("test"));
	record_add(&record, ROSTER_MACHINE, STR("m1"), STR_EMPTY, STR("x"));
	assert_null(roster_part(r, &record));
	roster_record_done(&record);
	record_begin(&record, 5001, STR("test"));
	for (int i = 0; i < 17; i++) {
		char *name = xasprintf("u%d", i);

		record_add(&record, ROSTER_USER, str_of(name), STR_EMPTY, STR("x"));
		free(name);
	}
	assert_null(roster_part(r, &record));
	roster_record_done(&record);
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_is_read_as_it_was_written),
		cmocka_unit_test(nothing_is_written_of_version_0),
		cmocka_unit_test(every_damaged_state_is_refused),
		cmocka_unit_test(a_setting_may_not_be_nested_without_end),
		cmocka_unit_test(of_a_large_roster_only_the_users_of_a_version_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
