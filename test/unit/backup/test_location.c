/* test_location.c - backup.url into parts, parts into keys and URLs. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backup/location.h"
#include "base/alloc.h"

static struct backup_conf conf_of(const char *url, const char *endpoint, const char *region)
{
	return (struct backup_conf){.url = str_of(url),
		.endpoint = str_of(endpoint),
		.region = str_of(region),
		.access_key_id = STR("key"),
		.secret_access_key = STR("secret")};
}

static void urls_become_requests_and_replicas(void **state)
{
	static const struct {
		const char *url, *endpoint, *region, *request, *replica;
	} cases[] = {
		{"file:///var/backups", "", "", NULL, "file:///var/backups/a/b"},
		{"file:///var/backups/", "", "", NULL, "file:///var/backups/a/b"},
		{"s3://bucket", "http://127.0.0.1:9000", "auto",
			"http://127.0.0.1:9000/bucket/a/b?q",
			"s3://bucket/a/b?endpoint=http%3A%2F%2F127.0.0.1%3A9000&region=auto&forcePathStyle=true"},
		{"s3://bucket/atc/", "https://fly.storage.tigris.dev/", "auto",
			"https://bucket.fly.storage.tigris.dev/atc/a/b?q",
			"s3://bucket/atc/a/b?endpoint=https%3A%2F%2Ffly.storage.tigris.dev&region=auto"
			"&forcePathStyle=false"},
		{"s3://bucket/atc", "", "eu-west-1",
			"https://bucket.s3.eu-west-1.amazonaws.com/atc/a/b?q",
			"s3://bucket/atc/a/b?endpoint=https%3A%2F%2Fs3.eu-west-1.amazonaws.com&region=eu-west-1"
			"&forcePathStyle=false"},
		{"s3://my.bucket/x", "", "eu-west-1",
			"https://s3.eu-west-1.amazonaws.com/my.bucket/x/a/b?q",
			"s3://my.bucket/x/a/b?endpoint=https%3A%2F%2Fs3.eu-west-1.amazonaws.com&region=eu-west-1"
			"&forcePathStyle=true"},
		{"s3://bucket/x", "objects.example.com", "auto",
			"https://objects.example.com/bucket/x/a/b?q",
			"s3://bucket/x/a/b?endpoint=https%3A%2F%2Fobjects.example.com&region=auto"
			"&forcePathStyle=true"},
		{"s3://bucket/x", "https://eviltigris.dev", "auto",
			"https://eviltigris.dev/bucket/x/a/b?q",
			"s3://bucket/x/a/b?endpoint=https%3A%2F%2Feviltigris.dev&region=auto&forcePathStyle=true"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct backup_conf conf = conf_of(cases[i].url, cases[i].endpoint, cases[i].region);
		struct location l;
		char *reason = NULL;
		CLEAN_FREE char *replica = NULL, *request = NULL, *key = NULL;

		if (location_parse(&conf, &l, &reason) < 0)
			fail_msg("%s", reason);
		replica = location_replica_url(&l, "a/b");
		assert_string_equal(replica, cases[i].replica);
		if (cases[i].request) {
			key = xasprintf("%sa/b", l.prefix);
			request = location_request_url(&l, key, "q");
			assert_string_equal(request, cases[i].request);
		}
		location_done(&l);
	}
}

static void what_cannot_work_is_refused_with_advice(void **state)
{
	static const struct {
		const char *url, *endpoint, *region, *advice;
	} cases[] = {
		{"gs://bucket", "", "", "must begin with s3:// or file:///"},
		{"file://relative/x", "", "", "must be absolute"},
		{"file:///", "", "", "must be absolute"},
		{"file:///with blank", "", "", "Litestream takes no others"},
		{"file:///what?x=1", "", "", "Litestream takes no others"},
		{"s3:///prefix", "http://h:1", "auto", "s3://bucket/prefix"},
		{"s3://buc ket/prefix", "http://h:1", "auto", "s3://bucket/prefix"},
		{"s3://bucket/pre?fix", "http://h:1", "auto", "s3://bucket/prefix"},
		{"s3://bucket/prefix", "", "auto", "AWS_ENDPOINT_URL_S3"},
		{"s3://bucket/prefix", "ftp://x", "auto", "must be an http or https URL"},
	};
	struct backup_conf keyless = conf_of("s3://bucket/x", "http://h:1", "auto");
	struct location l;
	char *reason = NULL;

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct backup_conf conf = conf_of(cases[i].url, cases[i].endpoint, cases[i].region);

		assert_int_equal(location_parse(&conf, &l, &reason), -EINVAL);
		if (!strstr(reason, cases[i].advice))
			fail_msg("%s: %s", cases[i].url, reason);
		free(reason);
	}
	keyless.secret_access_key = STR_EMPTY;
	assert_int_equal(location_parse(&keyless, &l, &reason), -EINVAL);
	assert_non_null(strstr(reason, "AWS_SECRET_ACCESS_KEY"));
	free(reason);
}

static void names_become_keys_that_need_no_encoding(void **state)
{
	static const struct {
		const char *tenant, *key;
	} cases[] = {
		{"bellevue/2025/winter", "bellevue/2025/winter/0000001f/primary"},
		{"a b+c%d", "a~20b~2Bc~25d/0000001f/primary"},
		{"~tilde", "~7Etilde/0000001f/primary"},
		{".hidden/../x", "~2Ehidden/~2E./x/0000001f/primary"},
		{"caf\xc3\xa9", "caf~C3~A9/0000001f/primary"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		CLEAN_FREE char *key =
			location_replica_key(str_of(cases[i].tenant), 31, STR("primary"));

		assert_string_equal(key, cases[i].key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_become_requests_and_replicas),
		cmocka_unit_test(what_cannot_work_is_refused_with_advice),
		cmocka_unit_test(names_become_keys_that_need_no_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
