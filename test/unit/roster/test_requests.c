/* test_requests.c - what is asked of a roster, one after the other, and what it comes to. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "roster/roster_int.h"

static const char file_text[] = "app: {framework: generic, command: x}\n"
				"machine: {target: hosts, name: m1}\n"
				"machines:\n"
				"  m1: {address: 10.0.0.1:80, region: fra}\n"
				"  m2: {address: 10.0.0.2:80, region: fra}\n"
				"users:\n"
				"  zoe: {machine: m1, env: {A: 1}, tenants: [2025/a, 2025/b]}\n"
				"  alone:\n"
				"  bob: {machine: m1, tenants: {x: {region: fra}}}\n"
				"routes:\n"
				"  - {endpoint: old/one}\n";

static struct config *load(const struct roster *r, struct config_faults *faults)
{
	static char *const environ_of_none[] = {NULL};
	char path[] = "/tmp/roster-test-XXXXXX";
	int fd = mkstemp(path);
	struct buf text = {0};
	struct config *c;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, file_text, strlen(file_text)), strlen(file_text));
	close(fd);
	if (r)
		roster_write(r, &text);
	c = config_load(&(struct config_source){.file = path,
				.environ = environ_of_none,
				.is_only_read = true,
				.roster = buf_str(&text)},
		faults);
	unlink(path);
	buf_done(&text);
	return c;
}

/* What a machine of the fleet is said to be: "address region", or NULL. */
static void check_machine(const struct roster *r, const char *name, const char *expected)
{
	struct config_faults faults;
	struct config *c = load(r, &faults);
	const struct machine_conf *m;
	char text[128];

	config_faults_print(&faults, STDERR_FILENO);
	assert_non_null(c);
	m = config_find_machine(c, str_of(name));
	if (expected) {
		assert_non_null(m);
		snprintf(text, sizeof(text), STR_FMT " " STR_FMT, STR_ARG(m->address),
			STR_ARG(m->region));
		assert_string_equal(text, expected);
	} else {
		assert_null(m);
	}
	config_unref(c);
	config_faults_done(&faults);
}

#define ADD    ROSTER_ADD
#define CHANGE ROSTER_CHANGE
#define REMOVE ROSTER_REMOVE

static const struct request_case {
	enum roster_verb verb;
	enum roster_kind kind;
	const char *name, *settings;
	int result;
	const char *text; /* what changes, or a part of the reason */
} cases[] = {
	{ADD, ROSTER_USER, "carl", "{machine: m2}", 0, "+ user carl: machine m2\n"},
	{ADD, ROSTER_USER, "carl", "", -EEXIST, "user carl exists"},
	{ADD, ROSTER_USER, "zoe", "", -EEXIST, "exists"},
	{CHANGE, ROSTER_USER, "carl", "{instance: m1}", 0, "~ user carl: machine m1 (was m2)\n"},
	{CHANGE, ROSTER_USER, "carl", "{machine: m1}", 0, ""},
	{CHANGE, ROSTER_USER, "carl", "machine:", 0, "~ user carl: machine taken back\n"},
	{CHANGE, ROSTER_USER, "carl", "{}", -EINVAL, "nothing is said"},
	{CHANGE, ROSTER_USER, "carl", "", -EINVAL, "nothing is said"},
	{CHANGE, ROSTER_USER, "carl", "[machine]", -EINVAL, "map"},
	{CHANGE, ROSTER_USER, "carl", "{a: &x b}", -EINVAL, "anchors"},
	{CHANGE, ROSTER_USER, "carl", "{a: b", -EINVAL, "settings"},
	{CHANGE, ROSTER_USER, "carl", "{a: b, a: c}", -EINVAL, "again"},
	{REMOVE, ROSTER_USER, "carl", "{machine: m1}", -EINVAL, "settings make no sense"},
	{REMOVE, ROSTER_USER, "carl", "", 0, "- user carl\n"},
	{REMOVE, ROSTER_USER, "carl", "", -ENOENT, "does not exist"},
	{CHANGE, ROSTER_USER, "carl", "{machine: m1}", -ENOENT, "does not exist"},
	{ADD, ROSTER_TENANT, "carl/x", "", -ENOENT, "there is no user carl"},
	{ADD, ROSTER_USER, "carl", "{tenants: [a, {b: c}]}", -EINVAL, "name is no text"},
	{ADD, ROSTER_USER, "carl", "{tenants: a}", -EINVAL, "a list of names"},
	{ADD, ROSTER_USER, "carl", "{tenants: {a: b}}", -EINVAL, "no map"},
	{ADD, ROSTER_USER, "carl", "{tenants: [a, a]}", -EINVAL, "named twice"},
	{ADD, ROSTER_USER, "carl", "{tenants: {a: , b: {region: fra}}}", 0,
		"+ user carl: has tenants\n+ tenant carl/a\n+ tenant carl/b: region fra\n"},
	{CHANGE, ROSTER_USER, "carl", "{tenants: [c]}", -EINVAL, "one by one"},
	{CHANGE, ROSTER_TENANT, "carl/b", "{region: , machine: m1}", 0,
		"~ tenant carl/b: machine m1, region taken back\n"},
	{CHANGE, ROSTER_TENANT, "carl/c", "{machine: m1}", -ENOENT, "does not exist"},
	{REMOVE, ROSTER_TENANT, "carl/a", "", 0, "- tenant carl/a\n"},
	{ADD, ROSTER_TENANT, "carl/a", "{env: {A: 1, B: secret}}", 0,
		"+ tenant carl/a: env {A, B}\n"},
	{CHANGE, ROSTER_TENANT, "carl/a", "{env: {B: 2, C: }}", 0,
		"~ tenant carl/a: env {A, B, C} (was {A, B})\n"},
	{REMOVE, ROSTER_USER, "carl", "", 0,
		"= tenant carl/a: as in the file\n= tenant carl/b: as in the file\n- user carl\n"},
	{ADD, ROSTER_TENANT, "alone/x", "", -EINVAL, "which would end"},
	{CHANGE, ROSTER_USER, "alone", "{tenants: {}}", 0, "~ user alone: has tenants\n"},
	{ADD, ROSTER_TENANT, "alone/x", "", 0, "+ tenant alone/x\n"},
	{REMOVE, ROSTER_TENANT, "zoe/2025/a", "", 0, "- tenant zoe/2025/a\n"},
	{CHANGE, ROSTER_TENANT, "zoe/2025/a", "{machine: m1}", -ENOENT, "does not exist"},
	{CHANGE, ROSTER_TENANT, "zoe/2025/b", "{machine: m2}", 0,
		"~ tenant zoe/2025/b: machine m2\n"},
	{CHANGE, ROSTER_TENANT, "old/one", "{machine: m1}", -EINVAL, "routes:"},
	{REMOVE, ROSTER_TENANT, "old/one", "", -EINVAL, "routes:"},
	{ADD, ROSTER_TENANT, "zoe", "", -EINVAL, "bob/2025"},
	{ADD, ROSTER_USER, "a/b", "", -EINVAL, "without a slash"},
	{ADD, ROSTER_USER, "", "", -EINVAL, "without a slash"},
	{ADD, ROSTER_USER, "a\nb", "", -EINVAL, "without a slash"},
	{ADD, ROSTER_MACHINE, "m3", "{address: \"10.0.0.3:80\", wake: {http: \"http://x/\"}}", 0,
		"+ machine m3: address 10.0.0.3:80, wake {http}\n"},
	{ADD, ROSTER_MACHINE, "m1", "", -EEXIST, "machine m1 exists"},
	{CHANGE, ROSTER_MACHINE, "m2", "{region: ord}", 0, "~ machine m2: region ord\n"},
	{CHANGE, ROSTER_MACHINE, "m9", "{region: ord}", -ENOENT, "machine m9 does not exist"},
};

static void request(const struct request_case *t, const struct config *base, struct roster *r)
{
	struct roster_request q = {.kind = t->kind,
		.verb = t->verb,
		.name = str_of(t->name),
		.settings = str_of(t->settings),
		.by = STR("test")};
	struct roster_record record, again;
	struct buf text = {0};
	struct why why = {""};
	int result = request_resolve(&q, base, r, &record, &why);

	if (result != t->result)
		fprintf(stderr, "%s %s: %d, %s\n", t->name, t->settings, result, why.text);
	assert_int_equal(result, t->result);
	roster_record_describe(&record, &text);
	buf_add_char(&text, '\0');
	if (result == 0)
		assert_string_equal(buf_str(&text).p, t->text);
	else if (!strstr(why.text, t->text))
		assert_string_equal(why.text, t->text);
	if (result == 0 && record.nchanges) {
		buf_clear(&text);
		record_write(&record, r->head, &text);
		assert_int_equal(record_read(buf_str(&text), record.version, &again, &why), 0);
		assert_int_equal(record_apply(&again, r, &why), 0);
		roster_record_done(&again);
	}
	roster_record_done(&record);
	buf_done(&text);
}

static void requests_come_to_what_they_say(void **state)
{
	struct config_faults faults;
	struct config *base = load(NULL, &faults);
	struct roster *r = roster_new();

	(void)state;
	assert_non_null(base);
	for (size_t i = 0; i < NITEMS(cases); i++)
		request(&cases[i], base, r);
	check_machine(r, "m3", "10.0.0.3:80 ");
	check_machine(r, "m2", "10.0.0.2:80 ord");
	check_machine(r, "m1", "10.0.0.1:80 fra");
	request(&(struct request_case){REMOVE, ROSTER_MACHINE, "m3", "", 0, "- machine m3\n"}, base,
		r);
	check_machine(r, "m3", NULL);
	roster_free(r);
	config_unref(base);
	config_faults_done(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(requests_come_to_what_they_say)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
