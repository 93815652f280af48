/* test_cache.c - the store: what is found, what goes when there is no room, and who may push out
 * whom. */
/* SPDX-License-Identifier: MIT */
#include "../http/fields.h"

#include <pthread.h>

#include "base/alloc.h"
#include "content/cache.h"

#define AMPLE (64u << 20)

static struct slot slots[8];

static str text_of(const char *s)
{
	return (str){s, strlen(s)};
}

static struct cache_key key_for(struct buf *out, struct cache_share *s, const char *path)
{
	struct cache_target target = {.host = STR("h"), .path = text_of(path)};
	struct cache_key key;

	buf_clear(out);
	cache_key_make(out, s, &target, &key);
	return key;
}

static struct cache_entry *make_response(str key, const char *fields, size_t size, char fill)
{
	struct header headers[TEST_HEADERS];
	struct response_head head = {.status = 200, .reason = STR("OK"), .headers = headers};
	struct cache_terms terms = {.lifetime = 60};
	struct cache_moment at = {0};
	char *bytes = xmalloc(size);

	memset(bytes, fill, size);
	head.nheaders = make_headers(fields, headers);
	return cache_response_new(key, &head, &terms, &at, cache_body_new(bytes, size));
}

static bool put(struct cache *c, const struct cache_key *key, size_t size, char fill)
{
	struct cache_entry *e = make_response(key->text, "A: b", size, fill);
	bool done = cache_store(c, key, e);

	cache_entry_unref(e);
	return done;
}

static bool put_path(struct cache *c, struct cache_share *s, const char *path, size_t size)
{
	struct buf text = {0};
	struct cache_key key = key_for(&text, s, path);
	bool done = put(c, &key, size, path[0]);

	buf_done(&text);
	return done;
}

/* The first byte of what is stored, 0 if nothing is. */
static char get(struct cache *c, const struct cache_key *key, const char *fields)
{
	struct header headers[TEST_HEADERS];
	struct buf scratch = {0};
	bool varies;
	struct cache_entry *e =
		cache_find(c, key, headers, make_headers(fields, headers), 0, &scratch, &varies);
	char found = e && e->kind == CACHE_RESPONSE ? e->body->bytes.p[0] : 0;

	cache_entry_unref(e);
	buf_done(&scratch);
	return found;
}

static char get_path(struct cache *c, struct cache_share *s, const char *path)
{
	struct buf text = {0};
	struct cache_key key = key_for(&text, s, path);
	char found = get(c, &key, "");

	buf_done(&text);
	return found;
}

static void what_is_stored_is_found_and_replaced(void **state)
{
	struct cache *c = cache_new(AMPLE, AMPLE);
	struct cache_share *s = cache_share(c, slots, 0, STR("a"));
	struct buf text = {0};
	struct cache_key key = key_for(&text, s, "/x");
	size_t bytes;

	(void)state;
	assert_int_equal(get(c, &key, ""), 0);
	assert_true(put(c, &key, 1000, 'a'));
	assert_int_equal(get(c, &key, ""), 'a');
	bytes = cache_bytes(c);
	assert_true(put(c, &key, 1000, 'b'));
	assert_int_equal(get(c, &key, ""), 'b');
	assert_int_equal(cache_bytes(c), bytes);
	assert_int_equal(slots[0].cache_entries, 1);
	assert_int_equal(slots[0].cache_bytes, bytes);
	cache_forget(c, &key);
	assert_int_equal(get(c, &key, ""), 0);
	assert_int_equal(cache_bytes(c), 0);
	buf_done(&text);
	cache_free(c);
}

static void keys_are_apart_in_every_part(void **state)
{
	static const struct cache_target targets[] = {
		{STR_INIT("h"), STR_INIT("/a"), STR_INIT(""), false, STR_INIT("")},
		{STR_INIT("h"), STR_INIT("/a"), STR_INIT(""), true, STR_INIT("")},
		{STR_INIT("h"), STR_INIT("/a"), STR_INIT("b"), true, STR_INIT("")},
		{STR_INIT("h"), STR_INIT("/ab"), STR_INIT(""), true, STR_INIT("")},
		{STR_INIT("ha"), STR_INIT("/a"), STR_INIT(""), false, STR_INIT("")},
		{STR_INIT("h"), STR_INIT("/a"), STR_INIT(""), false, STR_INIT("x")},
		{STR_INIT(""), STR_INIT("/a"), STR_INIT(""), false, STR_INIT("h")},
		{STR_INIT("h"), STR_INIT("/a"), STR_INIT("c=1&b=2"), true, STR_INIT("")},
		{STR_INIT("h"), STR_INIT("/a"), STR_INIT("b=2&c=1"), true, STR_INIT("")},
	};
	struct cache *c = cache_new(AMPLE, AMPLE);
	struct buf text = {0};
	struct cache_key key;

	(void)state;
	for (size_t i = 0; i < 2 * NITEMS(targets); i++) {
		struct cache_share *s =
			cache_share(c, slots, i % 2, i % 2 ? STR("odd") : STR("even"));

		buf_clear(&text);
		cache_key_make(&text, s, &targets[i / 2], &key);
		assert_int_equal(get(c, &key, ""), 0);
		assert_true(put(c, &key, 10, (char)('a' + i)));
	}
	for (size_t i = 0; i < 2 * NITEMS(targets); i++) {
		struct cache_share *s =
			cache_share(c, slots, i % 2, i % 2 ? STR("odd") : STR("even"));

		buf_clear(&text);
		cache_key_make(&text, s, &targets[i / 2], &key);
		assert_int_equal(get(c, &key, ""), 'a' + (int)i);
	}
	buf_done(&text);
	cache_free(c);
}

static void store_varying(struct cache *c, const struct cache_key *key, const char *names,
	const char *fields, char fill)
{
	struct header headers[TEST_HEADERS];
	struct buf text = {0};
	struct cache_key of_variant;

	cache_select(
		c, key, text_of(names), headers, make_headers(fields, headers), &text, &of_variant);
	assert_true(put(c, &of_variant, 10, fill));
	buf_done(&text);
}

static void responses_vary(void **state)
{
	struct cache *c = cache_new(AMPLE, AMPLE);
	struct cache_share *s = cache_share(c, slots, 0, STR("a"));
	struct buf text = {0};
	struct cache_key key = key_for(&text, s, "/x");

	(void)state;
	store_varying(c, &key, "accept", "Accept: text/html", 'h');
	store_varying(c, &key, "accept", "Accept: text/plain", 'p');
	assert_int_equal(get(c, &key, "Accept: text/html|User-Agent: x"), 'h');
	assert_int_equal(get(c, &key, "accept: Text/Plain"), 'p');
	assert_int_equal(get(c, &key, "Accept: image/png"), 0);
	assert_int_equal(get(c, &key, ""), 0);
	store_varying(c, &key, "accept", "", 'n');
	assert_int_equal(get(c, &key, "Accept:"), 0);
	assert_int_equal(get(c, &key, "X: y"), 'n');
	/* Forgotten, and stored again with the same names: nothing old comes back. */
	cache_forget(c, &key);
	store_varying(c, &key, "accept", "Accept: text/html", 'H');
	assert_int_equal(get(c, &key, "Accept: text/html"), 'H');
	assert_int_equal(get(c, &key, "Accept: text/plain"), 0);
	/* Other names. */
	store_varying(c, &key, "accept,foo", "Accept: text/html|Foo: 1", 'f');
	assert_int_equal(get(c, &key, "Accept: text/html"), 0);
	assert_int_equal(get(c, &key, "Accept: text/html|Foo: 1"), 'f');
	buf_done(&text);
	cache_free(c);
}

static void sizes_are_limits(void **state)
{
	struct cache *c = cache_new(10000, 4000);
	struct cache_share *s = cache_share(c, slots, 0, STR("a"));
	char path[16];

	(void)state;
	assert_false(put_path(c, s, "/large", 4000));
	assert_true(put_path(c, s, "/small", 3000));
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		assert_true(put_path(c, s, path, 1000));
		assert_int_equal(get_path(c, s, path), '/');
		assert_true(cache_bytes(c) <= 10000);
	}
	assert_true(cache_bytes(c) > 8000);
	cache_resize(c, 3000, 3000);
	assert_true(cache_bytes(c) <= 3000);
	assert_int_equal(cache_max_item(c), 3000);
	cache_resize(c, 0, 3000);
	assert_int_equal(cache_bytes(c), 0);
	assert_false(put_path(c, s, "/none", 1));
	cache_free(c);
}

static void what_is_used_outlives_a_scan(void **state)
{
	struct cache *c = cache_new(200000, 100000);
	struct cache_share *s = cache_share(c, slots, 0, STR("a"));
	char path[16];

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/hot/%d", i);
		put_path(c, s, path, 1000);
	}
	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "/hot/%d", i % 20);
		assert_int_equal(get_path(c, s, path), '/');
		snprintf(path, sizeof(path), "/cold/%d", i);
		put_path(c, s, path, 1000);
	}
	cache_free(c);
}

static void nobody_pushes_out_the_others(void **state)
{
	struct cache *c = cache_new(1000000, 100000);
	struct cache_share *modest = cache_share(c, slots, 1, STR("modest")),
			   *greedy = cache_share(c, slots, 2, STR("greedy"));
	char path[16];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		put_path(c, modest, path, 1000);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		put_path(c, greedy, path, 1000);
		if (i % 10 == 0)
			assert_int_equal(get_path(c, greedy, path), '/');
	}
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		assert_int_equal(get_path(c, modest, path), '/');
	}
	assert_int_equal(slots[1].cache_entries, 50);
	assert_true(slots[2].cache_entries > 400);
	cache_free(c);
}

static void purging_is_by_tenant_and_path(void **state)
{
	struct cache *c = cache_new(AMPLE, AMPLE);
	struct cache_share *a = cache_share(c, slots, 1, STR("a")),
			   *b = cache_share(c, slots, 2, STR("b"));

	(void)state;
	put_path(c, a, "/1", 10);
	put_path(c, a, "/2", 10);
	put_path(c, b, "/1", 10);
	assert_int_equal(cache_purge(c, a, STR("/1")), 1);
	assert_int_equal(get_path(c, a, "/1"), 0);
	assert_int_equal(get_path(c, a, "/2"), '/');
	assert_int_equal(get_path(c, b, "/1"), '/');
	assert_int_equal(cache_purge(c, a, STR_EMPTY), 1);
	assert_int_equal(get_path(c, a, "/2"), 0);
	/* Another tenant in the slot begins with nothing. */
	assert_ptr_not_equal(cache_share(c, slots, 2, STR("c")), b);
	assert_int_equal(get_path(c, b, "/1"), 0);
	assert_int_equal(cache_bytes(c), 0);
	cache_free(c);
}

static void what_a_former_tenant_of_a_slot_leaves_is_not_counted_for_the_next(void **state)
{
	struct cache *c = cache_new(AMPLE, AMPLE);
	struct cache_share *former = cache_share(c, slots, 4, STR("former")), *next;

	(void)state;
	put_path(c, former, "/1", 10);
	slot_give(&slots[4], 1);
	next = cache_share(c, slots, 4, STR("next"));
	assert_int_equal(slots[4].cache_entries, 0);
	put_path(c, former, "/late", 10);
	assert_int_equal(slots[4].cache_entries, 0);
	put_path(c, next, "/1", 10);
	assert_int_equal(slots[4].cache_entries, 1);
	cache_free(c);
}

static bool is_b(const void *arg, str tenant)
{
	(void)arg;
	return str_eq(tenant, STR("b"));
}

static void tenants_that_are_gone_keep_nothing(void **state)
{
	struct cache *c = cache_new(AMPLE, AMPLE);
	struct cache_share *a = cache_share(c, slots, 1, STR("a")),
			   *b = cache_share(c, slots, 2, STR("b"));

	(void)state;
	put_path(c, a, "/1", 10);
	put_path(c, b, "/1", 10);
	cache_purge_absent(c, is_b, NULL);
	assert_int_equal(get_path(c, a, "/1"), 0);
	assert_int_equal(get_path(c, b, "/1"), '/');
	cache_free(c);
}

static struct cache_coded *make_coded(const char *text)
{
	struct cache_coded *coded = xmalloc(sizeof(*coded) + strlen(text));

	coded->n = strlen(text);
	memcpy(coded->bytes, text, coded->n);
	return coded;
}

static void bodies_on_their_way_are_limited(void **state)
{
	struct cache *c = cache_new(4000, 600);

	(void)state;
	assert_true(cache_reserve(c, 600));
	assert_false(cache_reserve(c, 600));
	assert_true(cache_reserve(c, 400));
	cache_release(c, 600);
	assert_true(cache_reserve(c, 600));
	cache_resize(c, 600, 600);
	cache_release(c, 1000);
	assert_true(cache_reserve(c, 600));
	cache_release(c, 600);
	cache_free(c);
}

static void codings_belong_to_the_body(void **state)
{
	struct cache *c = cache_new(AMPLE, 2000);
	struct cache_share *s = cache_share(c, slots, 0, STR("a"));
	struct buf text = {0};
	struct cache_key key = key_for(&text, s, "/x");
	struct cache_entry *e = make_response(key.text, "A: b", 100, 'x');
	size_t before;

	(void)state;
	assert_true(cache_store(c, &key, e));
	before = cache_bytes(c);
	assert_int_equal(cache_coded(e, 1).n, 0);
	cache_add_coded(c, e, 1, make_coded("gzip"));
	cache_add_coded(c, e, 1, make_coded("again"));
	assert_memory_equal(cache_coded(e, 1).p, "gzip", 4);
	assert_int_equal(cache_bytes(c), before + sizeof(struct cache_coded) + 4);
	cache_forget(c, &key);
	assert_int_equal(cache_bytes(c), 0);
	cache_add_coded(c, e, 2, make_coded("too late"));
	assert_int_equal(cache_coded(e, 2).n, 0);
	assert_memory_equal(cache_coded(e, 1).p, "gzip", 4);
	cache_entry_unref(e);
	buf_done(&text);
	cache_free(c);
}

static void a_304_renews(void **state)
{
	struct cache *c = cache_new(AMPLE, AMPLE);
	struct cache_share *s = cache_share(c, slots, 0, STR("a"));
	struct buf text = {0};
	struct cache_key key = key_for(&text, s, "/x");
	struct cache_entry *old = make_response(key.text,
		"ETag: \"1\"|X-Old: a|Content-Encoding: br|Cache-Control: public, max-age=1|X: 1|X: 2",
		10, 'x');
	struct header by[TEST_HEADERS];
	struct response_head head = {.status = 304, .headers = by};
	struct cache_offer offer = {.how = CACHE_THRUSTER, .head = &head};
	struct cache_moment at = {.now = 5000};
	enum cache_why why;
	struct cache_entry *e;

	(void)state;
	head.nheaders = make_headers(
		"Cache-Control: public, max-age=60|X: 3|Content-Encoding: gzip|Age: 7|New: n", by);
	assert_true(cache_store(c, &key, old));
	cache_add_coded(c, old, 1, make_coded("gzip"));
	e = cache_response_renewed(old, &head, &offer, &at, &HEAD_LIMITS_DEFAULT, &why);
	assert_int_equal(why, WHY_OK);
	assert_int_equal(e->terms.lifetime, 60);
	assert_int_equal(e->terms.age, 7);
	assert_int_equal(cache_entry_age(e, &at), 7);
	assert_int_equal(e->nheaders, 6);
	assert_true(str_eq(e->headers[0].value, STR("\"1\"")));
	assert_true(
		str_eq(header_value(e->headers, e->nheaders, HEADER_CONTENT_ENCODING), STR("br")));
	assert_true(str_eq(header_find_name(e->headers, e->nheaders, STR("X"))->value, STR("3")));
	assert_ptr_equal(e->body, old->body);
	cache_replace(c, old, e);
	assert_int_equal(get(c, &key, ""), 'x');
	assert_int_equal(cache_coded(e, 1).n, 4);
	cache_forget(c, &key);
	cache_replace(c, e, old); /* is no longer there */
	assert_int_equal(get(c, &key, ""), 0);
	cache_entry_unref(old);
	cache_entry_unref(e);
	buf_done(&text);
	cache_free(c);
}

static void a_304_has_limits_as_an_answer_has(void **state)
{
	static const struct {
		const char *fields;
		size_t max_headers, max_bytes;
		enum cache_why why;
		bool is_made;
	} cases[] = {
		{"A: 1|B: 2|C: 3", 5, 1000, WHY_OK, true},
		{"A: 1|B: 2|C: 3|D: 4", 5, 1000, WHY_TOO_LARGE, false},
		/* What is not kept does not count, nor what takes the place of another. */
		{"Age: 1|X-Old: 2|C: 3|D: 4|Cache-Control: public", 5, 1000, WHY_OK, true},
		{"A: 1", 5, 52, WHY_OK, true},
		{"A: 1", 5, 51, WHY_TOO_LARGE, false},
		{"Cache-Control: private", 5, 1000, WHY_PRIVATE, true},
		{"Vary: *", 5, 1000, WHY_VARY, true},
		{"Vary: X", 5, 1000, WHY_VARY, true},
	};
	struct cache *c = cache_new(AMPLE, AMPLE);
	struct cache_share *s = cache_share(c, slots, 0, STR("a"));
	struct buf text = {0};
	struct cache_key key = key_for(&text, s, "/x");
	struct cache_entry *old =
		make_response(key.text, "X-Old: 1|Cache-Control: public, max-age=1", 1, 'x');
	struct header by[TEST_HEADERS];
	struct response_head head = {.status = 304, .headers = by};
	struct cache_offer offer = {.how = CACHE_RFC9111, .head = &head};
	struct cache_moment at = {.now = 5000};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct head_limits limits = {
			.max_bytes = cases[i].max_bytes, .max_headers = cases[i].max_headers};
		enum cache_why why;
		struct cache_entry *e;

		head.nheaders = make_headers(cases[i].fields, by);
		e = cache_response_renewed(old, &head, &offer, &at, &limits, &why);
		assert_int_equal(why, cases[i].why);
		assert_int_equal(e != NULL, cases[i].is_made);
		cache_entry_unref(e);
	}
	assert_true(cache_store(c, &key, old));
	cache_drop(c, old);
	cache_drop(c, old);
	assert_int_equal(get(c, &key, ""), 0);
	assert_int_equal(cache_bytes(c), 0);
	cache_entry_unref(old);
	buf_done(&text);
	cache_free(c);
}

/* --- against a model, which knows nothing of eviction --- */

#define PATHS 40

static void it_never_has_what_was_not_stored(void **state)
{
	struct cache *c = cache_new(20000, 5000);
	struct cache_share *s = cache_share(c, slots, 0, STR("a"));
	char model[PATHS] = {0};
	unsigned seed = 7;
	size_t found = 0;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		struct buf text = {0};
		char path[16];
		unsigned at, what = (seed = seed * 1103515245 + 12345) >> 16;
		struct cache_key key;

		at = what % PATHS;
		snprintf(path, sizeof(path), "/%u", at);
		key = key_for(&text, s, path);
		if (what % 7 == 0) {
			model[at] = (char)('a' + i % 26);
			if (!put(c, &key, 1 + what % 6000, model[at]))
				cache_forget(c, &key);
		} else if (what % 29 == 0) {
			cache_forget(c, &key);
			model[at] = 0;
		} else {
			char got = get(c, &key, "");

			assert_true(!got || got == model[at]);
			found += got != 0;
		}
		assert_true(cache_bytes(c) <= 20000);
		buf_done(&text);
	}
	assert_true(found > 1000);
	cache_purge(c, s, STR_EMPTY);
	assert_int_equal(cache_bytes(c), 0);
	assert_int_equal(slots[0].cache_entries, 0);
	cache_free(c);
}

/* --- threads --- */

struct crowd {
	struct cache *cache;
	unsigned number;
};

static void *use_it(void *arg)
{
	struct crowd *me = arg;
	struct cache *c = me->cache;
	unsigned seed = me->number;

	for (int i = 0; i < 4000; i++) {
		unsigned what = (seed = seed * 1103515245 + 12345) >> 16;
		struct cache_share *s =
			cache_share(c, slots, what % 3, what % 3 ? STR("a") : STR("b"));
		struct buf text = {0};
		char path[16];
		struct cache_key key;

		snprintf(path, sizeof(path), "/%u", what % 50);
		key = key_for(&text, s, path);
		if (what % 5 == 0)
			put(c, &key, what % 1000 + 1, 'x');
		else if (what % 50 == 1)
			cache_forget(c, &key);
		else if (what % 500 == 2)
			cache_purge(c, s, STR_EMPTY);
		else if (get(c, &key, ""))
			cache_count(s, true);
		buf_done(&text);
	}
	return NULL;
}

static void threads_share_it(void **state)
{
	struct cache *c = cache_new(30000, 5000);
	struct crowd crowd[4];
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		crowd[i] = (struct crowd){c, i + 1};
		assert_int_equal(pthread_create(&threads[i], NULL, use_it, &crowd[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(cache_bytes(c) <= 30000);
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_stored_is_found_and_replaced),
		cmocka_unit_test(keys_are_apart_in_every_part),
		cmocka_unit_test(responses_vary),
		cmocka_unit_test(sizes_are_limits),
		cmocka_unit_test(what_is_used_outlives_a_scan),
		cmocka_unit_test(nobody_pushes_out_the_others),
		cmocka_unit_test(purging_is_by_tenant_and_path),
		cmocka_unit_test(what_a_former_tenant_of_a_slot_leaves_is_not_counted_for_the_next),
		cmocka_unit_test(tenants_that_are_gone_keep_nothing),
		cmocka_unit_test(bodies_on_their_way_are_limited),
		cmocka_unit_test(codings_belong_to_the_body),
		cmocka_unit_test(a_304_renews),
		cmocka_unit_test(a_304_has_limits_as_an_answer_has),
		cmocka_unit_test(it_never_has_what_was_not_stored),
		cmocka_unit_test(threads_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
