/* test_place.c - the decision where a request is served, in every combination of what it depends
 * on. */
/* SPDX-License-Identifier: MIT */
#include "confs.h"
#include "route/place.h"

#define US	  "aaaa"
#define OURS	  "sea"
#define ELSEWHERE "bbbb"

enum whose { ANYBODYS, OUR_MACHINE, OUR_REGION, OTHER_MACHINE, OTHER_REGION };
enum came { FIRST, SENT_ONCE, SENT_BY_STRANGER, SENT_TWICE, SENT_BY_THE_OWNER };

static const char *const sources[] = {
	[FIRST] = "",
	[SENT_ONCE] = "instance=cccc;region=iad;t=1723800000123456;state=atc.1",
	[SENT_BY_STRANGER] = "instance=cccc;region=iad;t=1;state=secret",
	[SENT_TWICE] = "instance=cccc;region=iad;t=1;state=atc.2",
	[SENT_BY_THE_OWNER] = "instance=" ELSEWHERE ";region=iad;t=1;state=atc.1",
};

struct facts {
	enum route_found found;
	enum whose whose;
	enum came came;
	bool on_fly, has_edge, failed, large;
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
	};
}

static struct placement place_facts(const struct facts *f)
{
	struct route route = route_to(f);

	return place_decide(&(struct place_in){
		.route = &route,
		.has_fleet = f->on_fly,
		.our_machine = f->on_fly ? STR(US) : STR_EMPTY,
		.our_region = f->on_fly ? STR(OURS) : STR_EMPTY,
		.has_edge = f->has_edge,
		.is_replay_failed = f->failed,
		.replay_src = str_of(sources[f->came]),
		.is_body_size_known = true,
		.body_size = f->large ? PLACE_MAX_REPLAY_BODY + 1 : PLACE_MAX_REPLAY_BODY,
	});
}

/* The rules in words, one after the other; the first that fits decides. */
static enum place_verdict expected(const struct facts *f)
{
	bool is_ours = !f->on_fly || f->whose == ANYBODYS || f->whose == OUR_MACHINE ||
		       f->whose == OUR_REGION;
	bool is_known_loop = f->came == SENT_TWICE ||
			     (f->came == SENT_BY_THE_OWNER && f->whose == OTHER_MACHINE);

	if (f->found == ROUTE_NONE)
		return PLACE_NOT_FOUND;
	if (f->found == ROUTE_REDIRECT)
		return PLACE_REDIRECT;
	if (is_ours)
		return f->found == ROUTE_TENANT ? PLACE_HERE : PLACE_NOT_FOUND;
	if (!f->has_edge)
		return PLACE_MISDIRECTED;
	if (f->failed)
		return PLACE_REPLAY_FAILED;
	if (is_known_loop)
		return PLACE_LOOP;
	return f->large ? PLACE_TOO_LARGE : PLACE_REPLAY;
}

static void check(const struct facts *f)
{
	struct placement p = place_facts(f);

	assert_int_equal(p.verdict, expected(f));
	if (p.verdict == PLACE_REPLAY) {
		assert_str(p.machine, f->whose == OTHER_MACHINE ? ELSEWHERE : "");
		assert_str(p.region, f->whose == OTHER_REGION ? "iad" : "");
		assert_int_equal(p.hop, f->came == FIRST ? 1 : 2);
	} else {
		assert_int_equal(p.machine.n + p.region.n + p.hop, 0);
	}
}

static void every_combination_is_decided(void **state)
{
	unsigned cases = 0;

	(void)state;
	for (int found = ROUTE_NONE; found <= ROUTE_USER; found++)
		for (int whose = ANYBODYS; whose <= OTHER_REGION; whose++)
			for (int came = FIRST; came <= SENT_BY_THE_OWNER; came++)
				for (unsigned bits = 0; bits < 16; bits++, cases++)
					check(&(struct facts){(enum route_found)found,
						(enum whose)whose, (enum came)came, bits & 1,
						bits & 2, bits & 4, bits & 8});
	assert_int_equal(cases, 4 * 5 * 5 * 16);
}

static void unknown_lengths_are_too_large(void **state)
{
	struct route route = {
		.found = ROUTE_TENANT, .machine = STR(ELSEWHERE), .region = STR_EMPTY};
	struct place_in in = {
		.route = &route,
		.has_fleet = true,
		.our_machine = STR(US),
		.our_region = STR(OURS),
		.has_edge = true,
		.replay_src = STR_EMPTY,
	};

	(void)state;
	assert_int_equal(place_decide(&in).verdict, PLACE_TOO_LARGE);
	in.is_body_size_known = true;
	assert_int_equal(place_decide(&in).verdict, PLACE_REPLAY);
}

/* A machine is the stronger word; a list of regions is a choice. */
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
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct route route = {.found = ROUTE_TENANT,
			.machine = str_of(rows[i].machine),
			.region = str_of(rows[i].region)};
		struct place_in in = {
			.route = &route,
			.has_fleet = true,
			.our_machine = STR(US),
			.our_region = STR(OURS),
			.has_edge = true,
			.replay_src = STR_EMPTY,
			.is_body_size_known = true,
		};

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

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct route route = {
			.found = ROUTE_USER, .machine = STR(ELSEWHERE), .region = STR_EMPTY};
		struct placement p = place_decide(&(struct place_in){
			.route = &route,
			.has_fleet = true,
			.our_machine = STR(US),
			.our_region = STR(OURS),
			.has_edge = true,
			.replay_src = str_of(rows[i].src),
			.is_body_size_known = true,
		});

		assert_int_equal(p.verdict, rows[i].hop ? PLACE_REPLAY : PLACE_LOOP);
		assert_int_equal(p.hop, rows[i].hop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_is_decided),
		cmocka_unit_test(unknown_lengths_are_too_large),
		cmocka_unit_test(machine_wins_over_region),
		cmocka_unit_test(odd_sources_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
