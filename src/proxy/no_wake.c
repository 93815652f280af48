/* no_wake.c - which paths robots try, and what a tenant has been seen to serve. */
/* SPDX-License-Identifier: MIT */
#include "proxy/no_wake.h"

#include "base/hash.h"
#include "proxy/exchange_int.h"
#include "proxy/worker.h"

/* The pattern from which names are excepted. */
#define ALL_HIDDEN STR("/.*")

/* Four names, each as sixteen bits of a hash; 0: none yet.  A tenant that serves more than these
 * serves whatever it is asked for, and robots' requests say nothing about it: nothing is learnt
 * from it. */
#define NAMES	   4
#define NAME_BITS  16
#define NAME_MASK  ((UINT64_C(1) << NAME_BITS) - 1)
#define SERVES_ALL UINT64_MAX
static_assert(NAMES * NAME_BITS == 64, "they fill a word");

/* Of "/.name/more": with the slot's owner, so that another proxy finds the same.  Neither 0 nor a
 * value that contains SERVES_ALL. */
static uint64_t hash_name(const struct exchange *x, str path)
{
	ssize_t slash = str_find_char(str_slice(path, 1, path.n), '/');
	str name = str_slice(path, 1, slash < 0 ? path.n : (size_t)slash + 1);

	return 1 + hash_keyed(name, x->trip.tenant->owner, 0) % (NAME_MASK - 1);
}

static bool is_among(uint64_t names, uint64_t name)
{
	for (; names; names >>= NAME_BITS)
		if ((names & NAME_MASK) == name)
			return true;
	return false;
}

static uint64_t with(uint64_t names, uint64_t name)
{
	unsigned at = 0;

	if (names == SERVES_ALL || is_among(names, name))
		return names;
	while (at < 64 && names >> at & NAME_MASK)
		at += NAME_BITS;
	return at < 64 ? names | name << at : SERVES_ALL;
}

static bool is_hidden(str path)
{
	return path.n > 1 && path.p[1] == '.';
}

static bool serves(const struct exchange *x, str path)
{
	uint64_t names = atomic_load(&exchange_slot(x)->hidden_names);

	return names != SERVES_ALL && is_among(names, hash_name(x, path));
}

/* A request would wake it, or start it again. */
static bool is_asleep(const struct exchange *x)
{
	enum tenant_state state = exchange_tenant_state(x);

	return !state_is_on_its_way(state) && !state_serves(state);
}

bool no_wake_is_meant(const struct exchange *x)
{
	str path, pattern;

	if (!is_asleep(x))
		return false;
	path = exchange_path_below(x);
	pattern = config_path_pattern(&x->wish.conf->app->no_wake, path);
	if (!pattern.n || pattern.p[0] == '!')
		return false;
	return !(str_eq(pattern, ALL_HIDDEN) && serves(x, path));
}

/* Something is really there, rather than a redirect: many send every unknown path to their sign-in
 * page. */
static bool is_served(unsigned status)
{
	return status / 100 == 2 || status == 304 || status == 101;
}

void no_wake_learn(const struct exchange *x, unsigned status)
{
	str path = exchange_path_below(x);
	_Atomic uint64_t *names = &exchange_slot(x)->hidden_names;
	uint64_t known, name;

	if (!is_hidden(path) || !is_served(status) ||
		!str_eq(config_path_pattern(&x->wish.conf->app->no_wake, path), ALL_HIDDEN))
		return;
	name = hash_name(x, path);
	known = atomic_load(names);
	while (with(known, name) != known &&
		!atomic_compare_exchange_weak(names, &known, with(known, name)))
		;
}
