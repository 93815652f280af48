/* test_many.c - routing of many tenants: each is found, nothing else is, and the cost stays what it
 * is for ten. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <time.h>

#include "base/arena.h"
#include "confs.h"
#include "route/place.h"

/* Tenants of each user, by region: the shape of a real service with 82 users in 8 regions. */
static const struct {
	const char *region;
	uint8_t counts[20];
} fleet[] = {
	{"iad", {13, 9, 9, 8, 7, 5, 4, 4, 4, 2, 2, 2, 2, 2, 2, 1, 1, 1}},
	{"sjc", {19, 10, 6, 6, 5, 5, 4, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
	{"ams", {10, 9, 9, 9, 9, 7, 6, 3}}, {"ord", {12, 11, 10, 6, 5, 3, 2, 2, 2, 1, 1, 1}},
	{"dfw", {29, 4, 4, 3, 3, 1, 1, 1, 1, 1}}, {"ewr", {7, 4, 4, 4, 2, 2, 1, 1, 1, 1}},
	{"syd", {9, 6, 5, 1}}, {"nrt", {5}}, {"", {1, 1}}, /* index and demo: anywhere */
};

struct many {
	struct arena arena;
	struct tenant_conf *tenants;
	struct config conf;
	struct route_table *table;
};

static void add(struct many *m, size_t i, const char *prefix, const char *region)
{
	m->tenants[i] = tenant_at("", prefix, i % 2 ? &pass_app : &strip_app, "", region);
}

static void many_done(struct many *m)
{
	route_table_free(m->table);
	free(m->tenants);
	arena_done(&m->arena);
}

static void build_fleet(struct many *m)
{
	size_t n = 0, user = 0;

	*m = (struct many){0};
	m->tenants = xcalloc(1000, sizeof(*m->tenants));
	for (size_t r = 0; r < NITEMS(fleet); r++)
		for (size_t u = 0; fleet[r].counts[u]; u++, user++)
			for (unsigned t = 0; t < fleet[r].counts[u]; t++)
				add(m, n++,
					arena_printf(&m->arena,
						t % 3 ? "/user%zu/20%u/event-%u"
						      : "/user%zu/20%u-%u",
						user, 22 + t % 5, t),
					fleet[r].region);
	m->conf = config_of(m->tenants, n);
	m->table = route_table_new(&m->conf);
}

/* `n` tenants, three to a user. */
static void build_many(struct many *m, size_t n)
{
	static const char *const names[] = {
		"2025/winter", "2025/summer-medal-ball", "2026/in-house"};

	*m = (struct many){0};
	m->tenants = xcalloc(n, sizeof(*m->tenants));
	for (size_t i = 0; i < n; i++)
		add(m, i, arena_printf(&m->arena, "/customer%zu/%s", i / 3, names[i % 3]), "");
	m->conf = config_of(m->tenants, n);
	m->table = route_table_new(&m->conf);
}

static void check_all(const struct many *m)
{
	char path[256];
	struct route r;

	for (size_t i = 0; i < m->conf.ntenants; i++) {
		str prefix = m->tenants[i].prefix;

		snprintf(path, sizeof(path), STR_FMT "/posts/1", STR_ARG(prefix));
		route_find(m->table, STR("example.com"), str_of(path), &r);
		assert_int_equal(r.found, ROUTE_TENANT);
		assert_ptr_equal(r.tenant, &m->tenants[i]);
		route_find(m->table, STR("example.com"), prefix, &r);
		assert_int_equal(r.found, ROUTE_REDIRECT);
		assert_ptr_equal(r.tenant, &m->tenants[i]);
		path[prefix.n] = 'x';
		route_find(m->table, STR("example.com"), str_of(path), &r);
		assert_null(r.tenant);
	}
}

static void every_tenant_of_a_fleet_is_found(void **state)
{
	struct many m;

	(void)state;
	build_fleet(&m);
	assert_int_equal(m.conf.ntenants, 371);
	check_all(&m);
	many_done(&m);
}

static void every_one_of_100000_is_found(void **state)
{
	struct many m;

	(void)state;
	build_many(&m, 100000);
	check_all(&m);
	many_done(&m);
}

/* The paths of all tenants as requests bring them, in an order in which no tenant is near the one
 * before. */
static str *shuffled_paths(struct many *m)
{
	str *paths = xcalloc(m->conf.ntenants, sizeof(*paths));

	for (size_t i = 0; i < m->conf.ntenants; i++) {
		str prefix = m->tenants[i * 7919 % m->conf.ntenants].prefix;

		paths[i] = str_of(arena_printf(&m->arena, STR_FMT "/", STR_ARG(prefix)));
	}
	return paths;
}

/* Nanoseconds for the look-up and the decision where each of the tenants is served, half of them on
 * another machine: the best of several rounds. */
static double measure_placement(struct many *m)
{
	CLEAN_FREE str *paths = shuffled_paths(m);
	struct timespec a, b;
	double best = 1e9;

	m->conf.target = TARGET_FLY;
	m->conf.our_machine = STR("m1");
	for (size_t i = 0; i < m->conf.ntenants; i++)
		m->tenants[i].lives_on = i % 2 ? STR("m1") : STR("m2");
	for (unsigned round = 0; round < 7; round++) {
		size_t n = m->conf.ntenants, replayed = 0;

		clock_gettime(CLOCK_MONOTONIC, &a);
		for (size_t i = 0; i < n; i++) {
			struct route r;
			struct place_in in = {.conf = &m->conf,
				.route = &r,
				.path = paths[i],
				.sent = paths[i],
				.has_edge = true,
				.is_body_size_known = true};

			route_find(m->table, STR("example.com"), paths[i], &r);
			replayed += place_decide(&in).verdict == PLACE_REPLAY;
		}
		clock_gettime(CLOCK_MONOTONIC, &b);
		assert_int_equal(replayed, n / 2);
		best = MIN(best,
			((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
				(double)n);
	}
	return best;
}

static void placement_of_100000_users_is_a_look_up_and_a_comparison(void **state)
{
	struct many m;

	(void)state;
	build_many(&m, 100000);
	printf("placement: %.0f ns over 100000 users\n", measure_placement(&m));
	many_done(&m);
}

/* Nanoseconds for one look-up of the tenants [0, hot) in turn: the best of several rounds. */
static double measure(const struct many *m, size_t hot)
{
	double best = 1e9;

	for (unsigned round = 0; round < 7; round++) {
		struct timespec a, b;
		uintptr_t sum = 0;
		struct route r;

		clock_gettime(CLOCK_MONOTONIC, &a);
		for (unsigned i = 0; i < 20000; i++) {
			str prefix = m->tenants[i % hot].prefix;

			route_find(m->table, STR("example.com"), prefix, &r);
			sum += (uintptr_t)r.tenant;
		}
		clock_gettime(CLOCK_MONOTONIC, &b);
		assert_true(sum);
		best = MIN(best,
			((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
				20000);
	}
	return best;
}

static void the_cost_does_not_grow(void **state)
{
	struct many few, many;
	double few_ns, many_ns, spread_ns;

	(void)state;
	build_many(&few, 10);
	build_many(&many, 100000);
	few_ns = measure(&few, 10);
	many_ns = measure(&many, 10);
	spread_ns = measure(&many, 100000);
	printf("look-up: %.0f ns of 10 tenants, %.0f ns of 100000, %.0f ns over all of them\n",
		few_ns, many_ns, spread_ns);
	/* A look-up that grew with the number of tenants would be thousands of times slower. */
	assert_true(many_ns < few_ns * 3 + 200);
	assert_true(spread_ns < few_ns * 30 + 2000);
	many_done(&few);
	many_done(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tenant_of_a_fleet_is_found),
		cmocka_unit_test(every_one_of_100000_is_found),
		cmocka_unit_test(the_cost_does_not_grow),
		cmocka_unit_test(placement_of_100000_users_is_a_look_up_and_a_comparison),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
