/* test_replay.c - the answer for Fly's edge, in both forms. */
/* SPDX-License-Identifier: MIT */
#include <jansson.h>

#include "confs.h"
#include "http/head.h"
#include "route/place.h"

/* An answer taken apart: its head is valid HTTP, and its body is as long as it says. */
struct answer {
	struct buf bytes;
	struct header store[16];
	struct response_head head;
	str body;
};

static void answer_to(struct answer *a, const struct replay_in *in)
{
	const struct head_limits limits = HEAD_LIMITS_DEFAULT;
	size_t scanned = 0, used = 0;
	unsigned status = 0;

	*a = (struct answer){0};
	buf_add(&a->bytes, STR("before"));
	buf_consume(&a->bytes, 3);
	replay_answer(&a->bytes, in);
	buf_consume(&a->bytes, 3);
	assert_int_equal(
		response_head_parse(&a->head, a->store, NITEMS(a->store), buf_str(&a->bytes),
			&scanned, &limits, in->is_head ? METHOD_HEAD : METHOD_GET, &used, &status),
		PARSE_OK);
	a->body = str_slice(buf_str(&a->bytes), used, buf_len(&a->bytes));
	assert_int_equal(a->head.status, 307);
	assert_true(a->head.has_content_length);
	assert_int_equal(a->head.content_length, a->body.n);
	assert_str(header_value(a->store, a->head.nheaders, HEADER_CACHE_CONTROL), "no-store");
}

static str field(const struct answer *a, const char *name)
{
	const struct header *h = header_find_name(a->store, a->head.nheaders, str_of(name));

	return h ? h->value : STR_EMPTY;
}

static struct replay_in replay_to(const char *machine, const char *region, enum replay_form form)
{
	static struct placement place;

	place = (struct placement){.verdict = PLACE_REPLAY,
		.machine = str_of(machine),
		.region = str_of(region),
		.app = STR_EMPTY,
		.hop = 1};
	return (struct replay_in){
		.placement = &place,
		.form = form,
		.timeout = 30000,
		.minor = 1,
		.keep_alive = true,
	};
}

static void json_form_names_the_place(void **state)
{
	static const char *const places[] = {"148e45d7c20978", "x", "a\"b\\c\n"};

	(void)state;
	for (size_t i = 0; i < NITEMS(places) * 2; i++) {
		bool is_region = i % 2;
		const char *where = places[i / 2];
		struct replay_in in =
			replay_to(is_region ? "" : where, is_region ? where : "", REPLAY_JSON);
		struct answer a;
		json_t *json;

		answer_to(&a, &in);
		assert_str(field(&a, "Content-Type"), "application/vnd.fly.replay+json");
		assert_str(field(&a, "fly-replay"), "");
		assert_str(field(&a, "Connection"), "");
		json = json_loadb(a.body.p, a.body.n, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(json);
		assert_int_equal(json_object_size(json), 4);
		assert_string_equal(
			json_string_value(json_object_get(json, is_region ? "region" : "instance")),
			where);
		assert_string_equal(json_string_value(json_object_get(json, "timeout")), "30s");
		assert_string_equal(
			json_string_value(json_object_get(json, "fallback")), "force_self");
		assert_string_equal(json_string_value(json_object_get(json, "state")), "atc.1");
		json_decref(json);
		buf_done(&a.bytes);
	}
}

static void header_form_names_the_place(void **state)
{
	static const struct {
		const char *machine, *region, *value;
	} rows[] = {
		{"148e45d7c20978", "",
			"instance=148e45d7c20978;timeout=30s;fallback=force_self;state=atc.1"},
		{"", "sjc", "region=sjc;timeout=30s;fallback=force_self;state=atc.1"},
		{"a\r\nX: y;z\"", "", "instance=aX:yz;timeout=30s;fallback=force_self;state=atc.1"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct replay_in in = replay_to(rows[i].machine, rows[i].region, REPLAY_HEADER);
		struct answer a;

		answer_to(&a, &in);
		assert_str(field(&a, "fly-replay"), rows[i].value);
		assert_int_equal(a.body.n, 0);
		buf_done(&a.bytes);
	}
}

static void head_requests_get_no_body(void **state)
{
	struct replay_in in = replay_to("m", "", REPLAY_JSON);
	struct placement place = *in.placement;
	struct answer a;

	(void)state;
	place.hop = 2;
	in.placement = &place;
	in.is_head = true;
	answer_to(&a, &in);
	assert_str(
		field(&a, "fly-replay"), "instance=m;timeout=30s;fallback=force_self;state=atc.2");
	assert_int_equal(a.body.n, 0);
	buf_done(&a.bytes);
}

static void the_connection_is_spoken_of(void **state)
{
	struct replay_in in = replay_to("m", "", REPLAY_JSON);
	struct answer a;

	(void)state;
	in.minor = 0;
	answer_to(&a, &in);
	assert_str(field(&a, "Connection"), "keep-alive");
	buf_done(&a.bytes);
	in.keep_alive = false;
	answer_to(&a, &in);
	assert_str(field(&a, "Connection"), "close");
	buf_done(&a.bytes);
}

static void timeouts_carry_their_unit(void **state)
{
	struct replay_in in = replay_to("m", "", REPLAY_HEADER);
	struct answer a;

	(void)state;
	in.timeout = 800;
	answer_to(&a, &in);
	assert_str(field(&a, "fly-replay"),
		"instance=m;timeout=800ms;fallback=force_self;state=atc.1");
	buf_done(&a.bytes);
}

static void without_a_timeout_the_edge_is_told_none(void **state)
{
	struct replay_in in = replay_to("m", "", REPLAY_HEADER);
	struct answer a;

	(void)state;
	in.timeout = 0;
	answer_to(&a, &in);
	assert_str(field(&a, "fly-replay"), "instance=m;fallback=force_self;state=atc.1");
	buf_done(&a.bytes);
	in.form = REPLAY_JSON;
	answer_to(&a, &in);
	assert_int_equal(str_find(buf_str(&a.bytes), STR("timeout")), -1);
	buf_done(&a.bytes);
}

/* One answer in each form: the fly-replay and the fields about the cache; and the JSON. */
static void check_both(struct replay_in in, const char *replay, const char *cache, const char *ttl,
	const char *json)
{
	struct answer a;

	in.form = REPLAY_HEADER;
	answer_to(&a, &in);
	assert_str(field(&a, "fly-replay"), replay);
	assert_str(field(&a, "fly-replay-cache"), cache);
	assert_str(field(&a, "fly-replay-cache-ttl-secs"), ttl);
	buf_done(&a.bytes);
	in.form = REPLAY_JSON;
	answer_to(&a, &in);
	assert_str(a.body, json);
	buf_done(&a.bytes);
}

static void what_is_remembered_has_no_state_no_timeout_and_no_fallback(void **state)
{
	struct replay_in in = replay_to("m", "", REPLAY_HEADER);
	struct placement place = *in.placement;

	(void)state;
	in.placement = &place;
	in.alone = STR("/bellevue");
	in.cache_time = 61500;
	place.cache = PLACE_CACHE_STORE;
	check_both(in, "instance=m", "/bellevue/*", "61",
		"{\"instance\":\"m\",\"cache\":{\"prefix\":\"/bellevue/*\",\"ttl\":61}}");
	place.cache = PLACE_CACHE_INVALIDATE;
	check_both(in, "instance=m", "invalidate", "",
		"{\"instance\":\"m\",\"cache\":{\"invalidate\":true}}");
}

static void an_appliance_has_its_own_time(void **state)
{
	struct replay_in in = replay_to("", "iad", REPLAY_HEADER);
	struct placement place = *in.placement;

	(void)state;
	in.placement = &place;
	place.app = STR("printer");
	check_both(in, "app=printer;region=iad;fallback=force_self;state=atc.1", "", "",
		"{\"app\":\"printer\",\"region\":\"iad\",\"fallback\":\"force_self\",\"state\":\"atc.1\"}");
	place.region = STR_EMPTY;
	check_both(in, "app=printer;fallback=force_self;state=atc.1", "", "",
		"{\"app\":\"printer\",\"fallback\":\"force_self\",\"state\":\"atc.1\"}");
}

static void with_a_key_the_state_is_a_marker(void **state)
{
	static const char key[] =
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	struct replay_in in = replay_to("m", "", REPLAY_HEADER);
	struct marker m;
	struct answer a;
	str replay;

	(void)state;
	in.hop_key = str_of(key);
	in.marker = (struct marker){MARKER_REPLAY, 1, STR("origin"), STR("u"), 5, 1000};
	answer_to(&a, &in);
	replay = field(&a, "fly-replay");
	replay = str_slice(replay, (size_t)str_find(replay, STR("state=")) + 6, replay.n);
	assert_int_equal(marker_read(replay, str_of(key), MARKER_REPLAY, 1000, &m), MARKER_VALID);
	assert_str(m.origin, "origin");
	buf_done(&a.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_form_names_the_place),
		cmocka_unit_test(header_form_names_the_place),
		cmocka_unit_test(timeouts_carry_their_unit),
		cmocka_unit_test(without_a_timeout_the_edge_is_told_none),
		cmocka_unit_test(head_requests_get_no_body),
		cmocka_unit_test(the_connection_is_spoken_of),
		cmocka_unit_test(what_is_remembered_has_no_state_no_timeout_and_no_fallback),
		cmocka_unit_test(an_appliance_has_its_own_time),
		cmocka_unit_test(with_a_key_the_state_is_a_marker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
