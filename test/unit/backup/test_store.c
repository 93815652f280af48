/* test_store.c - conditional writes and honest answers of both kinds of store. */
/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

#define UNTIL (clock_now() + 30000)

static enum rig_store kind;

static int set_up(void **state)
{
	*state = rig_new(kind);
	return 0;
}

static int tear_down(void **state)
{
	rig_free(*state);
	return 0;
}

static void writes_are_conditional(void **state)
{
	struct rig *r = *state;
	struct store *s = r->backup->store;
	struct etag first = {""}, second = {""}, read = {""};
	struct buf body = {0};
	struct why why;

	assert_int_equal(store_get(s, "a/b/HEAD", UNTIL, &body, &read, &why), -ENOENT);
	assert_int_equal(store_put(s, "a/b/HEAD", STR("one"), NULL, UNTIL, &first, &why), 0);
	assert_int_equal(store_put(s, "a/b/HEAD", STR("two"), NULL, UNTIL, &second, &why), -ESTALE);
	assert_int_equal(store_get(s, "a/b/HEAD", UNTIL, &body, &read, &why), 0);
	assert_true(str_eq(buf_str(&body), STR("one")));
	assert_string_equal(read.text, first.text);
	assert_int_equal(store_put(s, "a/b/HEAD", STR("two"), &first, UNTIL, &second, &why), 0);
	assert_int_equal(
		store_put(s, "a/b/HEAD", STR("three"), &first, UNTIL, &first, &why), -ESTALE);
	assert_int_equal(store_put(s, "a/c/HEAD", STR("x"), &second, UNTIL, &first, &why), -ESTALE);
	buf_clear(&body);
	assert_int_equal(store_get(s, "a/b/HEAD", UNTIL, &body, &read, &why), 0);
	assert_true(str_eq(buf_str(&body), STR("two")));
	buf_done(&body);
}

static void prefixes_are_found_and_cleared(void **state)
{
	struct rig *r = *state;
	struct store *s = r->backup->store;
	static const char *const keys[] = {"t~20x/00000001/primary/0/1",
		"t~20x/00000001/primary/0/2", "t~20x/00000002/primary/0/1",
		"u/00000001/primary/0/1"};
	struct etag etag;
	struct why why;
	bool has = true;

	assert_int_equal(store_has(s, "t~20x/0", UNTIL, &has, &why), 0);
	assert_false(has);
	for (size_t i = 0; i < NITEMS(keys); i++)
		assert_int_equal(store_put(s, keys[i], STR("x"), NULL, UNTIL, &etag, &why), 0);
	assert_int_equal(store_has(s, "t~20x/0", UNTIL, &has, &why), 0);
	assert_true(has);
	assert_int_equal(store_has(s, "t~20x/00000001/queue/", UNTIL, &has, &why), 0);
	assert_false(has);
	assert_int_equal(store_remove(s, "t~20x/00000001/", 100, UNTIL, &why), 2);
	assert_int_equal(store_has(s, "t~20x/00000001/", UNTIL, &has, &why), 0);
	assert_false(has);
	assert_int_equal(store_has(s, "t~20x/00000002/primary/", UNTIL, &has, &why), 0);
	assert_true(has);
	assert_int_equal(store_has(s, "u/0", UNTIL, &has, &why), 0);
	assert_true(has);
}

static void silence_is_no_answer(void **state)
{
	struct rig *r = *state;
	struct store *s = r->backup->store;
	struct etag etag = {""};
	struct buf body = {0};
	struct why why = {""};
	bool has;

	rig_store_down(r);
	assert_int_equal(store_get(s, "a/HEAD", UNTIL, &body, &etag, &why), -EIO);
	assert_true(why.text[0] != '\0');
	assert_int_equal(store_has(s, "a/", UNTIL, &has, &why), -EIO);
	assert_int_equal(store_put(s, "a/HEAD", STR("x"), NULL, UNTIL, &etag, &why), -EIO);
	assert_int_equal(store_remove(s, "a/", 10, UNTIL, &why), -EIO);
	rig_store_up(r);
	assert_int_equal(store_get(s, "a/HEAD", UNTIL, &body, &etag, &why), -ENOENT);
}

struct racer {
	struct store *store;
	pthread_t thread;
	unsigned id, won;
};

static void *race(void *arg)
{
	struct racer *racer = arg;

	for (int i = 0; i < 10; i++) {
		CLEAN_FREE char *key = xasprintf("race/%d", i),
				*text = xasprintf("racer %u", racer->id);
		struct etag etag;
		struct why why;

		racer->won +=
			store_put(racer->store, key, str_of(text), NULL, UNTIL, &etag, &why) == 0;
	}
	return NULL;
}

static void each_object_is_created_once(void **state)
{
	struct rig *r = *state;
	struct racer racers[4];
	unsigned won = 0;

	for (unsigned i = 0; i < NITEMS(racers); i++) {
		racers[i] = (struct racer){.store = r->backup->store, .id = i};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < NITEMS(racers); i++) {
		pthread_join(racers[i].thread, NULL);
		won += racers[i].won;
	}
	assert_int_equal(won, 10);
}

/* An answer of a store that is reached, but not as it should be. */
static void assert_refused(struct rig *r, struct backup_conf conf, const char *part)
{
	struct location l;
	struct store *s;
	struct etag etag = {""};
	struct buf body = {0};
	struct why why = {""};
	char *reason = NULL;
	bool has;

	assert_int_equal(location_parse(&conf, &l, &reason), 0);
	s = store_new(&l, r->backup->work, &reason);
	assert_int_equal(store_get(s, "a/HEAD", UNTIL, &body, &etag, &why), -EIO);
	if (!strstr(why.text, part))
		fail_msg("the reason does not say \"%s\": %s", part, why.text);
	assert_null(strstr(why.text, "testsecret"));
	assert_int_equal(store_has(s, "a/", UNTIL, &has, &why), -EIO);
	assert_int_equal(store_put(s, "a/HEAD", STR("x"), NULL, UNTIL, &etag, &why), -EIO);
	store_free(s);
	location_done(&l);
}

static void refusals_are_no_answer(void **state)
{
	struct rig *r = *state;
	struct backup_conf conf = r->conf.backup;

	conf.secret_access_key = STR("wrong");
	assert_refused(r, conf, "SignatureDoesNotMatch");
	conf = r->conf.backup;
	/* Servers have codes of their own for that, and some say 404. */
	conf.access_key_id = STR("nobody");
	assert_refused(r, conf, "");
	conf = r->conf.backup;
	conf.url = STR("s3://no-such-bucket/x");
	assert_refused(r, conf, "NoSuchBucket");
}

/* Something that accepts connections and never says a word. */
static void a_silent_store_is_given_up_in_time(void **state)
{
	struct rig *r = *state;
	struct backup_conf conf = r->conf.backup;
	struct location l;
	struct store *s;
	struct etag etag = {""};
	struct buf body = {0};
	struct why why = {""};
	char *reason = NULL;
	msec began;

	assert_int_equal(kill(r->gateway, SIGSTOP), 0);
	assert_int_equal(waitpid(r->gateway, NULL, WUNTRACED), r->gateway); /* each thread of it */
	assert_int_equal(location_parse(&conf, &l, &reason), 0);
	s = store_new(&l, r->backup->work, &reason);
	began = clock_now();
	assert_int_equal(store_get(s, "a/HEAD", began + 600, &body, &etag, &why), -EIO);
	assert_in_range(clock_now() - began, 500, 10000); /* nothing else would end it */
	store_free(s);
	location_done(&l);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest cases[] = {
	CASE(writes_are_conditional),
	CASE(prefixes_are_found_and_cleared),
	CASE(silence_is_no_answer),
	CASE(each_object_is_created_once),
};

/* A directory has neither keys nor buckets, and is never silent. */
static const struct CMUnitTest s3_cases[] = {
	CASE(refusals_are_no_answer),
	CASE(a_silent_store_is_given_up_in_time),
};

int main(int argc, char **argv)
{
	kind = argc > 1 && strcmp(argv[1], "s3") == 0 ? RIG_S3 : RIG_FILE;
	if (kind == RIG_FILE)
		return cmocka_run_group_tests_name("file", cases, NULL, NULL);
	return cmocka_run_group_tests_name("s3", cases, NULL, NULL) +
	       cmocka_run_group_tests_name("s3 only", s3_cases, NULL, NULL);
}
