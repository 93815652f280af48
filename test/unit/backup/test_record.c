/* test_record.c - HEAD and the proof as texts: what is written is read, what is damaged is not
 * believed. */
/* SPDX-License-Identifier: MIT */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backup/record.h"

static const str tenant = STR_INIT("bellevue/2025/winter");

static void head_is_read_as_it_was_written(void **state)
{
	struct head head = {.epoch = 7, .is_sealed = true}, again = {0};
	struct buf text = {0};
	struct why why;

	(void)state;
	head_set(&head, "primary", 6, 41);
	head_leave(&head, 6, 1700000000);
	head_leave(&head, 5, 1700000000); /* nothing was confirmed there, but files may lie there */
	head_set(&head, "primary", 7, 42);
	head_set(&head, "queue", 3, 0);
	head_write(&head, tenant, &text);
	assert_int_equal(head_read(buf_str(&text), tenant, &again, &why), 0);
	assert_int_equal(again.epoch, 7);
	assert_true(again.is_sealed);
	assert_int_equal(again.ndatabases, 2);
	assert_int_equal(head_find(&again, "primary")->epoch, 7);
	assert_int_equal(head_find(&again, "primary")->txid, 42);
	assert_int_equal(head_find(&again, "queue")->epoch, 3);
	assert_null(head_find(&again, "cable"));
	assert_int_equal(again.nleft, 2);
	assert_int_equal(head_expired(&again, 1699999999), 0);
	assert_int_equal(head_expired(&again, 1700000000), 6);
	head_set(&again, "queue", 6, 0);
	assert_int_equal(head_expired(&again, 1700000000), 5); /* the other one is needed */
	head_forget(&again, 5);
	assert_int_equal(head_expired(&again, 1700000000), 0);
	head_forget(&again, 6);
	assert_int_equal(again.nleft, 0);
	head_done(&head);
	head_done(&again);
	buf_done(&text);
}

/* The bytes as Jansson wrote them for us once: what lies in stores was made by all of our versions,
 * and a text is compared with what is there (head_save). */
static void the_texts_are_what_they_have_always_been(void **state)
{
	static const char head_text[] =
		"{\"tenant\":\"bellevue/2025/winter\",\"epoch\":7,\"state\":\"sealed\",\"databases\":{"
		"\"primary\":{\"epoch\":6,\"txid\":41,\"mode\":\"0640\",\"uid\":1000,\"gid\":4294967294},"
		"\"caf\xc3\xa9 \\\"x\\\"\":{\"epoch\":3,\"txid\":0}},\"left\":[{\"epoch\":6,\"since\":1700000000},"
		"{\"epoch\":5,\"since\":1700000001}],\"files\":12,\"prepared\":\"00000000000000ff\","
		"\"written_by\":\"";
	static const char proof_text[] =
		"{\"tenant\":\"bellevue/2025/winter\",\"epoch\":7,\"store\":\"file:///var/b\\\\x\","
		"\"databases\":[\"primary\",\"queue\"],\"next\":8,\"by\":\"fly-atc 1 00ff\"}\n";
	char *names[] = {(char[]){"primary"}, (char[]){"queue"}};
	struct head head = {
		.epoch = 7, .is_sealed = true, .prepared = 255, .knows_files = true, .nfiles = 12};
	const struct proof proof = {.epoch = 7,
		.store = (char[]){"file:///var/b\\x"},
		.databases = names,
		.ndatabases = 2,
		.next = 8,
		.by = (char[]){"fly-atc 1 00ff"}};
	struct buf text = {0};

	(void)state;
	head_set(&head, "primary", 6, 41);
	head_find(&head, "primary")->owner = (struct record_owner){true, 0640, 1000, 4294967294u};
	head_set(&head, "caf\xc3\xa9 \"x\"", 3, 0);
	head_leave(&head, 6, 1700000000);
	head_leave(&head, 5, 1700000001);
	head_write(&head, tenant, &text);
	buf_add_char(&text, '\0');
	assert_true(str_starts(buf_str(&text), str_of(head_text)));
	assert_string_equal(text.p + sizeof(head_text) - 1 + strlen(record_writer()), "\"}\n");
	buf_clear(&text);
	proof_write(&proof, tenant, &text);
	buf_add_char(&text, '\0');
	assert_string_equal(text.p, proof_text);
	head_done(&head);
	buf_clear(&text);
	head_write(&(struct head){.epoch = 1}, tenant, &text);
	assert_true(str_starts(buf_str(&text),
		STR("{\"tenant\":\"bellevue/2025/winter\",\"epoch\":1,\"state\":\"open\",\"databases\":{},"
		    "\"left\":[],\"written_by\":\"")));
	buf_done(&text);
}

static void what_belongs_to_a_database_is_read_as_it_was_written(void **state)
{
	struct head head = {.epoch = 2, .prepared = 0xfedcba9876543210u}, again = {0}, copy = {0};
	struct buf text = {0};
	struct why why;

	(void)state;
	head_set(&head, "primary", 2, 1);
	head_set(&head, "queue", 2, 1);
	head_find(&head, "primary")->owner = (struct record_owner){true, 0660, 1000, 4294967294u};
	head.knows_files = true;
	head.nfiles = 12;
	head_write(&head, tenant, &text);
	assert_int_equal(head_read(buf_str(&text), tenant, &again, &why), 0);
	head_copy(&again, &copy);
	assert_true(copy.prepared == 0xfedcba9876543210u);
	assert_true(copy.knows_files);
	assert_int_equal(copy.nfiles, 12);
	assert_true(head_find(&copy, "primary")->owner.is_known);
	assert_int_equal(head_find(&copy, "primary")->owner.mode, 0660);
	assert_int_equal(head_find(&copy, "primary")->owner.uid, 1000);
	assert_int_equal(head_find(&copy, "primary")->owner.gid, 4294967294u);
	assert_false(head_find(&copy, "queue")->owner.is_known);
	head_set(&copy, "primary", 2, 9);
	assert_true(head_find(&copy, "primary")->owner.is_known);
	head_done(&head);
	head_done(&again);
	head_done(&copy);
	buf_done(&text);
}

/* A mode that gives rights of its own, or is none, is not given to a file. */
/* In memory that held something else before. */
static void a_database_that_is_new_has_no_owner(void **state)
{
	struct head head = {.epoch = 1};
	struct buf text = {0};

	(void)state;
	mallopt(M_PERTURB, 0x5a);
	head_set(&head, "primary", 1, 1);
	head_set(&head, "queue", 1, 1);
	mallopt(M_PERTURB, 0);
	assert_false(head_find(&head, "primary")->owner.is_known);
	assert_false(head_find(&head, "queue")->owner.is_known);
	head_write(&head, tenant, &text);
	assert_true(str_find(buf_str(&text), STR("mode")) < 0);
	head_done(&head);
	buf_done(&text);
}

static void an_owner_that_makes_no_sense_is_none(void **state)
{
	static const struct {
		const char *text;
		bool is_known;
		unsigned mode;
	} cases[] = {
		{"\"mode\":\"4755\",\"uid\":0,\"gid\":0", true, 0755},
		{"\"mode\":\"0640\",\"uid\":7,\"gid\":8", true, 0640},
		{"\"mode\":\"06400\",\"uid\":7,\"gid\":8", false, 0},
		{"\"mode\":\"\",\"uid\":7,\"gid\":8", false, 0},
		{"\"mode\":\"u=rw\",\"uid\":7,\"gid\":8", false, 0},
		{"\"mode\":416,\"uid\":7,\"gid\":8", false, 0},
		{"\"mode\":\"0640\",\"uid\":-1,\"gid\":8", false, 0},
		{"\"mode\":\"0640\",\"uid\":4294967295,\"gid\":8", false, 0},
		{"\"mode\":\"0640\",\"uid\":7", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct head head = {0};
		struct buf text = {0};
		struct why why;

		buf_printf(&text,
			"{\"tenant\":\"bellevue/2025/winter\",\"epoch\":1,\"state\":\"open\","
			"\"databases\":{\"primary\":{\"epoch\":1,\"txid\":1,%s}}}",
			cases[i].text);
		assert_int_equal(head_read(buf_str(&text), tenant, &head, &why), 0);
		assert_int_equal(head_find(&head, "primary")->owner.is_known, cases[i].is_known);
		assert_int_equal(head_find(&head, "primary")->owner.mode, cases[i].mode);
		head_done(&head);
		buf_done(&text);
	}
}

static void a_later_version_may_add_what_it_likes(void **state)
{
	static const char text[] =
		"{\"tenant\":\"bellevue/2025/winter\",\"epoch\":2,\"state\":\"open\",\"owner\":\"m1\","
		"\"lease_until\":5,\"databases\":{\"primary\":{\"epoch\":1,\"txid\":3,\"x\":[]}}}";
	struct head head = {0};
	struct why why;

	(void)state;
	assert_int_equal(head_read(str_of(text), tenant, &head, &why), 0);
	assert_int_equal(head.epoch, 2);
	assert_false(head.is_sealed);
	head_done(&head);
}

#define HEAD_OF(epoch, state, databases)                                                           \
	"{\"tenant\":\"bellevue/2025/winter\",\"epoch\":" epoch ",\"state\":" state                \
	",\"databases\":" databases "}"

static void a_damaged_head_is_not_believed(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"null",
		"<html>Please log in</html>",
		"{\"tenant\":\"boston\",\"epoch\":1,\"state\":\"open\",\"databases\":{}}",
		HEAD_OF("0", "\"open\"", "{}"),
		HEAD_OF("-1", "\"open\"", "{}"),
		HEAD_OF("\"1\"", "\"open\"", "{}"),
		HEAD_OF("1.5", "\"open\"", "{}"),
		HEAD_OF("1", "\"closed\"", "{}"),
		HEAD_OF("1", "null", "{}"),
		HEAD_OF("1", "\"open\"", "[]"),
		HEAD_OF("1", "\"open\"", "null"),
		HEAD_OF("1", "\"open\"", "{\"primary\":{}}"),
		HEAD_OF("1", "\"open\"", "{\"primary\":{\"epoch\":2,\"txid\":1}}"),
		HEAD_OF("1", "\"open\"", "{\"primary\":{\"epoch\":1,\"txid\":-1}}"),
		HEAD_OF("1", "\"open\"",
			"{\"a\":{\"epoch\":1,\"txid\":1},\"a\":{\"epoch\":1,\"txid\":2}}"),
		HEAD_OF("1", "\"open\"", "{}") "x",
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(texts); i++) {
		struct head head = {0};
		struct why why = {""};

		if (head_read(str_of(texts[i]), tenant, &head, &why) != -EBADMSG || !why.text[0])
			fail_msg("believed: %s", texts[i]);
		assert_null(head.databases);
	}
}

static void the_proof_is_read_as_it_was_written(void **state)
{
	char *names[] = {(char[]){"primary"}, (char[]){"queue"}};
	struct proof proof = {
		.store = (char[]){"s3://b/p"}, .epoch = 3, .databases = names, .ndatabases = 2};
	struct proof again = {0};
	struct buf text = {0};

	(void)state;
	proof_write(&proof, tenant, &text);
	assert_int_equal(proof_read(buf_str(&text), tenant, &again), 0);
	assert_string_equal(again.store, "s3://b/p");
	assert_int_equal(again.epoch, 3);
	assert_true(proof_names(&again, "queue"));
	assert_false(proof_names(&again, "cable"));
	proof_done(&again);
	assert_int_equal(proof_read(buf_str(&text), STR("boston"), &again), -ENOENT);
	assert_int_equal(proof_read(STR("{}"), tenant, &again), -ENOENT);
	buf_done(&text);
}

static void reasons_are_cut_between_characters(void **state)
{
	struct why why;
	char text[WHY_MAX + 10];

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[sizeof(text) - 4] = '\0';
		why_set(&why, "%s", text);
		assert_int_equal((strlen(why.text) - shift) % 3, 0);
		assert_true(strlen(why.text) > WHY_MAX - 5);
		why_set(&why, "%s", why.text); /* its own text */
		assert_true(strlen(why.text) > WHY_MAX - 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_is_read_as_it_was_written),
		cmocka_unit_test(the_texts_are_what_they_have_always_been),
		cmocka_unit_test(what_belongs_to_a_database_is_read_as_it_was_written),
		cmocka_unit_test(a_database_that_is_new_has_no_owner),
		cmocka_unit_test(an_owner_that_makes_no_sense_is_none),
		cmocka_unit_test(a_later_version_may_add_what_it_likes),
		cmocka_unit_test(a_damaged_head_is_not_believed),
		cmocka_unit_test(the_proof_is_read_as_it_was_written),
		cmocka_unit_test(reasons_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
