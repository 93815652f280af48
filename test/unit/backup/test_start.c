/* test_start.c - without a store, with the wrong program, with the wrong settings. */
/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/program.h"
#include "base/alloc.h"

static int set_up(void **state)
{
	*state = rig_new(RIG_NONE);
	return 0;
}

static int tear_down(void **state)
{
	rig_free(*state);
	return 0;
}

static void without_a_store_databases_are_only_looked_after(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *path = rig_path(r, "primary");
	struct buf status = {0};

	rig_shell("mkdir -p $(dirname %s); echo another life > %s-wal; echo x > %s.restoring", path,
		path, path);
	rig_wake(r);
	assert_false(rig_exists("%s-wal", path));
	assert_false(rig_exists("%s.restoring", path));
	assert_false(rig_exists(STR_FMT "/" RECORD_FILE, STR_ARG(r->tenant.dir)));
	rig_make_rows(r, "primary", 3);
	rig_sleep(r);
	rig_wake(r);
	assert_int_equal(rig_count(r, "primary"), 3);
	backup_status_json(r->backup, &status);
	assert_true(str_eq(buf_str(&status),
		STR("{\"url\":\"\",\"daemon\":null,\"databases\":[],\"pending\":[]}")));
	buf_done(&status);
}

static void versions_are_compared(void **state)
{
	static const struct {
		const char *version;
		bool is_recent;
	} cases[] = {
		{"v0.5.18", true},
		{"0.5.19", true},
		{"v0.6.0", true},
		{"v1.0.0-rc.1", true},
		{"v0.5.18-7-g63225f1", true},
		{"v0.5.17", false},
		{"v0.5.15", false},
		{"v0.3.13", false},
		{"v0.4.99", false},
		{"", false},
		{"v0.5", false},
		{"(development build)", false},
		{"v0.5.x", false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		if (program_is_recent(str_of(cases[i].version)) != cases[i].is_recent)
			fail_msg("%s", cases[i].version);
}

/* A program that says what it is told to. */
static char *fake(struct rig *r, const char *name, const char *script)
{
	char *path = xasprintf("%s/%s", r->dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static void assert_cannot_start(struct rig *r, struct config *conf, const char *part)
{
	struct buf text = {0};
	char *reason = NULL;
	struct backup *b = backup_new(r->loop, conf, str_of(r->run_dir), &reason);

	assert_null(b);
	if (!strstr(reason, part))
		fail_msg("the reason does not say \"%s\": %s", part, reason);
	free(reason);
	assert_int_equal(backup_check(conf, &text), -EINVAL);
	if (str_find(buf_str(&text), str_of(part)) < 0)
		fail_msg("check does not say \"%s\": " STR_FMT, part, STR_ARG(buf_str(&text)));
	buf_done(&text);
}

static struct config conf_with(struct rig *r, char **url, const char *program)
{
	struct config conf = r->conf;

	*url = xasprintf("file://%s/store", r->dir);
	conf.backup.url = str_of(*url);
	conf.backup.program = str_of(program);
	return conf;
}

static void a_program_that_cannot_do_it_is_refused(void **state)
{
	static const struct {
		const char *script, *advice;
	} cases[] = {
		{"echo v0.3.13", "is Litestream v0.3.13; fly-atc needs " PROGRAM_OLDEST},
		{"exit 1", "does not say its version"},
		{"echo hello", "is Litestream hello"},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < NITEMS(cases); i++) {
		CLEAN_FREE char *path = fake(r, "litestream", cases[i].script), *url = NULL;
		struct config conf = conf_with(r, &url, path);

		assert_cannot_start(r, &conf, cases[i].advice);
		assert_cannot_start(r, &conf, "go install");
	}
}

static void a_missing_program_is_said_to_be_missing(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *url = NULL;
	struct config conf = conf_with(r, &url, "/no/such/litestream");

	assert_cannot_start(
		r, &conf, "go install github.com/benbjohnson/litestream/cmd/litestream@v");
	conf.backup.program = STR("no-such-litestream");
	assert_cannot_start(r, &conf, "the program no-such-litestream is not there");
}

static void wrong_settings_are_refused(void **state)
{
	struct rig *r = *state;
	struct config conf = r->conf;
	CLEAN_FREE char *long_name = xcalloc(1, 121), *run_dir = NULL;
	char *reason = NULL, *url = NULL;

	conf.backup.url = STR("s3://bucket");
	conf.backup.secret_access_key = STR_EMPTY;
	conf.backup.endpoint = STR("http://127.0.0.1:1");
	assert_cannot_start(r, &conf, "AWS_SECRET_ACCESS_KEY");

	memset(long_name, 'x', 120);
	run_dir = xasprintf("%s/%s", r->dir, long_name);
	conf = conf_with(r, &url, "litestream");
	assert_null(backup_new(r->loop, &conf, str_of(run_dir), &reason));
	assert_non_null(strstr(reason, "too long for a socket"));
	free(reason);
	free(url);
}

static void a_good_configuration_passes(void **state)
{
	struct rig *r = *state;
	CLEAN_FREE char *url = NULL;
	struct config conf = conf_with(r, &url, "litestream");
	struct buf text = {0};

	assert_int_equal(backup_check(&conf, &text), 0);
	assert_int_equal(backup_check(&r->conf, &text), 0);
	assert_int_equal(buf_len(&text), 0);
}

/* The keys reach Litestream and nobody else; what would break it does not reach it. */
static void the_environment_of_litestream_is_ours(void **state)
{
	struct location l = {.kind = LOCATION_S3,
		.key_id = (char[]){"id"},
		.secret = (char[]){"hidden"},
		.region = (char[]){"auto"}};
	char **env, text[256];
	struct buf all = {0};
	ssize_t n;
	int fd;

	(void)state;
	setenv("AWS_CA_BUNDLE", "/x", 1);
	setenv("HTTPS_PROXY", "http://x", 1);
	setenv("DATABASE_URL", "x", 1);
	env = program_env(&l);
	for (size_t i = 0; env[i]; i++)
		buf_printf(&all, "%s\n", env[i]);
	assert_true(str_find(buf_str(&all), STR("hidden")) < 0);
	assert_true(
		str_find(buf_str(&all), STR("AWS_SHARED_CREDENTIALS_FILE=/proc/self/fd/3\n")) >= 0);
	assert_int_equal(program_keys_open(&l, &fd), 0);
	n = pread(fd, text, sizeof(text), 0);
	assert_true(n > 0 &&
		    str_find((str){text, (size_t)n}, STR("aws_secret_access_key = hidden\n")) > 0);
	close(fd);
	assert_true(str_find(buf_str(&all), STR("AWS_CA_BUNDLE")) < 0);
	assert_true(str_find(buf_str(&all), STR("PROXY")) < 0);
	assert_true(str_find(buf_str(&all), STR("DATABASE_URL")) < 0);
	program_env_free(env);
	buf_done(&all);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(without_a_store_databases_are_only_looked_after),
		CASE(versions_are_compared),
		CASE(a_program_that_cannot_do_it_is_refused),
		CASE(a_missing_program_is_said_to_be_missing),
		CASE(wrong_settings_are_refused),
		CASE(a_good_configuration_passes),
		CASE(the_environment_of_litestream_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
