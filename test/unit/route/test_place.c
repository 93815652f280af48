/* test_place.c - the decision where a request is served, in every combination of what it depends
 * on. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "confs.h"
#include "route/place.h"

#define US	  "aaaa"
#define OURS	  "sea"
#define ELSEWHERE "bbbb"
#define KEY	  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NOW	  1800000000000u

enum whose { ANYBODYS, OUR_MACHINE, OUR_REGION, OTHER_MACHINE, OTHER_REGION };
enum came {
	FIRST,
	COUNTED_ONCE,
	COUNTED_TWICE,
	BY_STRANGER,
	BY_THE_OWNER,
	SIGNED_ONCE,
	SIGNED_TWICE,
	SIGNED_BY_THE_OWNER,
	SIGNED_FOR_ANOTHER,
	SIGNED_LONG_AGO,
	SIGNED_AHEAD,
	NCAME
};
enum failed { NOT_FAILED, FAILED_OF_OURS, FAILED_OF_OTHERS };

static char sources[NCAME][256];

static void sign(enum came came, const char *origin, const char *user, unsigned hop, uint64_t time)
{
	struct buf text = {0};
	struct marker m = {MARKER_REPLAY, hop, str_of(origin), str_of(user), 7, time};

	marker_write(&text, STR(KEY), &m);
	snprintf(sources[came], sizeof(sources[came]), "instance=%s;region=iad;t=1;state=" STR_FMT,
		origin, STR_ARG(buf_str(&text)));
	buf_done(&text);
}

static int make_sources(void **state)
{
	(void)state;
	strcpy(sources[COUNTED_ONCE], "instance=cccc;region=iad;t=1723800000123456;state=atc.1");
	strcpy(sources[COUNTED_TWICE], "instance=cccc;region=iad;t=1;state=atc.2");
	strcpy(sources[BY_STRANGER], "instance=cccc;region=iad;t=1;state=secret");
	strcpy(sources[BY_THE_OWNER], "instance=" ELSEWHERE ";region=iad;t=1;state=atc.1");
	sign(SIGNED_ONCE, "cccc", "u", 1, NOW - 50);
	sign(SIGNED_TWICE, "cccc", "u", 2, NOW - 50);
	sign(SIGNED_BY_THE_OWNER, ELSEWHERE, "u", 1, NOW);
	sign(SIGNED_FOR_ANOTHER, "cccc", "v", 2, NOW);
	sign(SIGNED_LONG_AGO, "cccc", "u", 2, NOW - MARKER_MAX_AGE_MS - 1);
	sign(SIGNED_AHEAD, "cccc", "u", 2, NOW + 8 * 3600 * 1000);
	return 0;
}

struct facts {
	enum route_found found;
	enum whose whose;
	enum came came;
	enum failed failed;
	bool has_fleet, has_edge, has_key, large, from_peer;
};

static struct route route_to(const struct facts *f)
{
	static struct tenant_conf tenant;

	return (struct route){
		.found = f->found,
		.tenant = f->found == ROUTE_TENANT || f->found == ROUTE_REDIRECT ? &tenant : NULL,
		.machine = f->whose == OUR_MACHINE     ? STR(US)
			   : f->whose == OTHER_MACHINE ? STR(ELSEWHERE)
						       : STR_EMPTY,
		.region = f->whose == OUR_REGION     ? STR(OURS)
			  : f->whose == OTHER_REGION ? STR("iad")
						     : STR_EMPTY,
		.user = STR("u"),
	};
}

static str failed_text(enum failed failed)
{
	switch (failed) {
	case NOT_FAILED:
		break;
	case FAILED_OF_OURS:
		return STR("instance=bbbb;app=a;region=iad;replay_source=" US ";reason=timeout");
	case FAILED_OF_OTHERS:
		return STR("instance=bbbb;app=a;region=iad;replay_source=cccc;reason=timeout");
	}
	return STR_EMPTY;
}

static struct config conf_of(const struct facts *f)
{
	return (struct config){
		.target = f->has_fleet ? TARGET_FLY : TARGET_NONE,
		.our_machine = STR(US),
		.our_region = STR(OURS),
		.our_app = STR("calendar"),
		.hop_key = f->has_key ? STR(KEY) : STR_EMPTY,
	};
}

static struct place_in in_of(
	const struct facts *f, const struct config *conf, const struct route *route)
{
	return (struct place_in){
		.conf = conf,
		.route = route,
		.path = STR("/u/x/"),
		.sent = STR("/u/x/"),
		.is_from_peer = f->from_peer,
		.has_edge = f->has_edge,
		.replay_failed = f->has_edge ? failed_text(f->failed) : STR_EMPTY,
		.replay_src = f->has_edge ? str_of(sources[f->came]) : STR_EMPTY,
		.cache_status = STR_EMPTY,
		.is_body_size_known = true,
		.body_size = f->large ? PLACE_MAX_REPLAY_BODY + 1 : PLACE_MAX_REPLAY_BODY,
		.now = NOW,
	};
}

static struct placement place_facts(const struct facts *f)
{
	struct config conf = conf_of(f);
	struct route route = route_to(f);
	struct place_in in = in_of(f, &conf, &route);

	return place_decide(&in);
}

static bool is_genuine(enum came came)
{
	return came >= SIGNED_ONCE && came != SIGNED_FOR_ANOTHER;
}

static bool is_loop(const struct facts *f)
{
	bool is_back = f->whose == OTHER_MACHINE;

	if (f->has_key)
		return f->came == SIGNED_TWICE || f->came == SIGNED_LONG_AGO ||
		       f->came == SIGNED_AHEAD || (f->came == SIGNED_BY_THE_OWNER && is_back);
	return f->came == COUNTED_TWICE ||
	       ((f->came == BY_THE_OWNER || f->came == SIGNED_BY_THE_OWNER) && is_back);
}

/* The rules in words, one after the other; the first that fits decides. */
static enum place_verdict expected(const struct facts *f)
{
	bool is_ours = !f->has_fleet || f->whose == ANYBODYS || f->whose == OUR_MACHINE ||
		       f->whose == OUR_REGION;
	bool has_way = f->has_key && f->whose == OTHER_MACHINE;
	enum place_verdict own_way = has_way ? PLACE_PEER : PLACE_NO_MACHINE;
	bool is_foreign = f->has_key && f->came != FIRST && !is_genuine(f->came);

	if (f->found == ROUTE_NONE)
		return PLACE_NOT_FOUND;
	if (f->found == ROUTE_REDIRECT)
		return PLACE_REDIRECT;
	if (is_ours)
		return f->found == ROUTE_TENANT ? PLACE_HERE : PLACE_NOT_FOUND;
	if (f->from_peer)
		return PLACE_LOOP;
	if (!f->has_edge)
		return f->has_key ? own_way : PLACE_MISDIRECTED;
	if (f->failed)
		return f->failed == FAILED_OF_OTHERS && has_way ? PLACE_PEER : PLACE_REPLAY_FAILED;
	if (is_loop(f))
		return PLACE_LOOP;
	if (is_foreign && has_way)
		return PLACE_PEER;
	if (f->large)
		return f->has_key ? own_way : PLACE_TOO_LARGE;
	return PLACE_REPLAY;
}

static void check(const struct facts *f)
{
	struct placement p = place_facts(f);

	assert_int_equal(p.verdict, expected(f));
	assert_int_equal(p.cache, PLACE_CACHE_NOTHING);
	assert_int_equal(p.app.n, 0);
	if (p.verdict == PLACE_REPLAY) {
		assert_str(p.machine, f->whose == OTHER_MACHINE ? ELSEWHERE : "");
		assert_str(p.region, f->whose == OTHER_REGION ? "iad" : "");
		assert_int_equal(p.hop, f->came == FIRST ? 1 : 2);
	} else {
		assert_int_equal(p.hop, 0);
	}
	if (p.verdict == PLACE_PEER)
		assert_str(p.machine, ELSEWHERE);
}

static void every_combination_is_decided(void **state)
{
	unsigned cases = 0;

	(void)state;
	for (int found = ROUTE_NONE; found <= ROUTE_USER; found++)
		for (int whose = ANYBODYS; whose <= OTHER_REGION; whose++)
			for (int came = FIRST; came < NCAME; came++)
				for (unsigned rest = 0; rest < 96; rest++, cases++)
					check(&(struct facts){(enum route_found)found,
						(enum whose)whose, (enum came)came,
						(enum failed)(rest / 32), rest & 1, rest & 2,
						rest & 4, rest & 8, rest & 16});
	assert_int_equal(cases, 4 * 5 * NCAME * 96);
}

static const struct facts other_machine = {
	ROUTE_TENANT, OTHER_MACHINE, FIRST, NOT_FAILED, true, true, false, false, false};

static void unknown_lengths_are_too_large(void **state)
{
	struct config conf = conf_of(&other_machine);
	struct route route = route_to(&other_machine);
	struct place_in in = in_of(&other_machine, &conf, &route);

	(void)state;
	in.is_body_size_known = false;
	in.body_size = 0;
	assert_int_equal(place_decide(&in).verdict, PLACE_TOO_LARGE);
	conf.hop_key = STR(KEY);
	assert_int_equal(place_decide(&in).verdict, PLACE_PEER);
	in.is_body_size_known = true;
	assert_int_equal(place_decide(&in).verdict, PLACE_REPLAY);
}

/* A machine is the stronger word. */
static void machine_wins_over_region(void **state)
{
	static const struct {
		const char *machine, *region;
		bool is_here;
	} rows[] = {
		{US, "iad", true},
		{ELSEWHERE, OURS, false},
		{"", "SEA", true},
		{"", "iad", false},
		{"", "seattle", false},
		{"AAAA", "", false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config conf = conf_of(&other_machine);
		struct route route = {.found = ROUTE_TENANT,
			.machine = str_of(rows[i].machine),
			.region = str_of(rows[i].region),
			.user = STR("u")};
		struct place_in in = in_of(&other_machine, &conf, &route);

		assert_int_equal(
			place_decide(&in).verdict, rows[i].is_here ? PLACE_HERE : PLACE_REPLAY);
	}
}

static void odd_sources_are_counted(void **state)
{
	static const struct {
		const char *src;
		unsigned hop; /* 0: a loop */
	} rows[] = {
		{"instance=c;state=atc.1", 2},
		{"state=atc.1;instance=c", 2},
		{"instance=c,region=iad,state=atc.2", 0},
		{" instance=c ; state=atc.9 ", 0},
		{"instance=c;state=atc.", 2},
		{"instance=c;state=atc.x", 2},
		{"instance=c;state=atc.-1", 2},
		{"instance=c;state=atc.99999999999999999999", 2},
		{"instance=c;state=atc.0", 1},
		{";;=;x", 2},
		{"instance=bbbb", 0},
	};
	struct facts f = other_machine;

	(void)state;
	f.found = ROUTE_USER;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config conf = conf_of(&f);
		struct route route = route_to(&f);
		struct place_in in = in_of(&f, &conf, &route);
		struct placement p;

		in.replay_src = str_of(rows[i].src);
		p = place_decide(&in);
		assert_int_equal(p.verdict, rows[i].hop ? PLACE_REPLAY : PLACE_LOOP);
		assert_int_equal(p.hop, rows[i].hop);
	}
}

static void a_marker_is_told_of_wherever_the_request_is_served(void **state)
{
	static const struct {
		enum came came;
		enum marker_verdict verdict;
	} rows[] = {{FIRST, MARKER_NONE}, {COUNTED_ONCE, MARKER_BAD}, {SIGNED_ONCE, MARKER_VALID},
		{SIGNED_FOR_ANOTHER, MARKER_BAD}, {SIGNED_LONG_AGO, MARKER_OLD},
		{SIGNED_AHEAD, MARKER_AHEAD}};
	struct facts f = other_machine;

	(void)state;
	f.has_key = true;
	f.whose = OUR_MACHINE;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct placement p;

		f.came = rows[i].came;
		p = place_facts(&f);
		assert_int_equal(p.verdict, PLACE_HERE);
		assert_int_equal(p.marker, rows[i].verdict);
		if (rows[i].verdict == MARKER_AHEAD) {
			assert_str(p.from.origin, "cccc");
			assert_int_equal(p.from.time - NOW, 8 * 3600 * 1000);
		}
	}
}

/* --- what the edge remembers --- */

static void the_edge_may_remember_what_is_alone_and_stands_in_the_path_as_it_was_sent(void **state)
{
	static const struct {
		const char *alone, *sent, *status;
		enum came came;
		enum place_cache cache;
	} rows[] = {
		{"/u", "/u/x/", "", FIRST, PLACE_CACHE_STORE},
		{"/u", "/u/x/", "miss", FIRST, PLACE_CACHE_STORE},
		{"/u", "/u/", "", FIRST, PLACE_CACHE_STORE},
		{"/u/x", "/u/x/y", "", FIRST, PLACE_CACHE_STORE},
		{"/u", "/u", "", FIRST, PLACE_CACHE_NOTHING},
		{"/u", "/ux/", "", FIRST, PLACE_CACHE_NOTHING},
		{"/u", "//u/x/", "", FIRST, PLACE_CACHE_NOTHING},
		{"/u", "/%75/x/", "", FIRST, PLACE_CACHE_NOTHING},
		{"/u", "/v/../u/x/", "", FIRST, PLACE_CACHE_NOTHING},
		{"", "/u/x/", "", FIRST, PLACE_CACHE_NOTHING},
		{"/u", "/u/x/", "", SIGNED_ONCE, PLACE_CACHE_NOTHING},
		{"/u", "/u/x/", "hit", FIRST, PLACE_CACHE_INVALIDATE},
		{"", "/u/x/", "hit", FIRST, PLACE_CACHE_INVALIDATE},
		{"/u", "/u/x/", "hit", SIGNED_ONCE, PLACE_CACHE_NOTHING},
	};
	struct facts f = other_machine;

	(void)state;
	f.has_key = true;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config conf = conf_of(&f);
		struct route route = route_to(&f);
		struct place_in in = in_of(&f, &conf, &route);
		struct placement p;

		conf.server.replay_cache = 60000;
		route.alone = str_of(rows[i].alone);
		in.sent = str_of(rows[i].sent);
		in.cache_status = str_of(rows[i].status);
		in.replay_src = str_of(sources[rows[i].came]);
		p = place_decide(&in);
		assert_int_equal(p.verdict, PLACE_REPLAY);
		assert_int_equal(p.cache, rows[i].cache);
	}
}

/* --- appliances --- */

static struct placement place_path(
	const char *path, enum route_found found, struct appliance_conf *a, enum whose whose)
{
	struct facts f = other_machine;
	struct config conf;
	struct route route;
	struct place_in in;

	f.found = found;
	f.whose = whose;
	f.has_key = true;
	conf = conf_of(&f);
	conf.appliances = a;
	conf.nappliances = 1;
	route = route_to(&f);
	in = in_of(&f, &conf, &route);
	in.path = str_of(path);
	return place_decide(&in);
}

static void an_appliance_answers_what_its_pattern_matches(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} rows[] = {
		{"/*/*.pdf", "/u/x.pdf", true},
		{"/*/*.pdf", "/u/2025/x.pdf", true},
		{"/*/*.pdf", "/u/.pdf", true},
		{"/*/*.pdf", "/u.pdf", false},
		{"/*/*.pdf", "/u/x.pdf/", false},
		{"/*/*.pdf", "/u/x.pdf.html", false},
		{"/u/*", "/u/", true},
		{"/u/*", "/u", false},
		{"/u/x", "/u/x", true},
		{"/u/x", "/u/x/", false},
		{"/*a*b*c", "/xxaxxbxxc", true},
		{"/*a*b*c", "/xxbxxaxxc", false},
		{"/*ab*ab", "/ab", false},
		{"/*ab*ab", "/abab", true},
		{"/**", "/", true},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct appliance_conf a = {.pattern = str_of(rows[i].pattern),
			.app = STR("printer"),
			.region = STR("iad")};
		struct placement p = place_path(rows[i].path, ROUTE_TENANT, &a, OUR_MACHINE);

		assert_int_equal(p.verdict, rows[i].matches ? PLACE_REPLAY : PLACE_HERE);
		assert_str(p.app, rows[i].matches ? "printer" : "");
		if (rows[i].matches) {
			assert_str(p.region, "iad");
			assert_int_equal(p.machine.n, 0);
		}
	}
}

static void a_path_of_nobody_wakes_an_appliance_only_if_its_pattern_names_the_user(void **state)
{
	struct appliance_conf any = {.pattern = STR("/*/*.pdf"),
				      .app = STR("printer"),
				      .region = STR_EMPTY},
			      own = {.pattern = STR("/print/*.pdf"),
				      .app = STR("printer"),
				      .region = STR_EMPTY,
				      .is_rooted = true};

	(void)state;
	assert_int_equal(
		place_path("/print/x.pdf", ROUTE_NONE, &any, ANYBODYS).verdict, PLACE_NOT_FOUND);
	assert_int_equal(
		place_path("/print/x.pdf", ROUTE_NONE, &own, ANYBODYS).verdict, PLACE_REPLAY);
	assert_int_equal(
		place_path("/u/x.pdf", ROUTE_USER, &any, OTHER_MACHINE).verdict, PLACE_REPLAY);
}

static void an_appliance_is_not_asked_by_itself(void **state)
{
	struct appliance_conf a = {
		.pattern = STR("/*"), .app = STR("calendar"), .region = STR_EMPTY};

	(void)state;
	assert_int_equal(place_path("/u/x", ROUTE_TENANT, &a, OUR_MACHINE).verdict, PLACE_HERE);
}

static void what_the_edge_says_of_a_failure_is_repeated_in_known_words_only(void **state)
{
	static const struct {
		const char *text, *reason;
		uint64_t elapsed;
	} rows[] = {
		{"instance=a;reason=timeout;elapsed_ms=10000", "timeout", 10000},
		{"reason=no_candidate", "no_candidate", 0},
		{"reason=retries_exhausted;elapsed_ms=-1", "retries_exhausted", 0},
		{"reason=<script>;elapsed_ms=99999999999", "", 0},
		{"", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct place_failure f = place_failure_read(str_of(rows[i].text));

		assert_str(f.reason, rows[i].reason);
		assert_int_equal(f.elapsed, rows[i].elapsed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_is_decided),
		cmocka_unit_test(unknown_lengths_are_too_large),
		cmocka_unit_test(machine_wins_over_region),
		cmocka_unit_test(odd_sources_are_counted),
		cmocka_unit_test(a_marker_is_told_of_wherever_the_request_is_served),
		cmocka_unit_test(
			the_edge_may_remember_what_is_alone_and_stands_in_the_path_as_it_was_sent),
		cmocka_unit_test(an_appliance_answers_what_its_pattern_matches),
		cmocka_unit_test(
			a_path_of_nobody_wakes_an_appliance_only_if_its_pattern_names_the_user),
		cmocka_unit_test(an_appliance_is_not_asked_by_itself),
		cmocka_unit_test(what_the_edge_says_of_a_failure_is_repeated_in_known_words_only),
	};

	return cmocka_run_group_tests(tests, make_sources, NULL);
}
