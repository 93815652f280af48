/* place.c - decides where a request is served, from its route and its replay headers. */
/* SPDX-License-Identifier: MIT */
#include "route/place.h"

#include "base/number.h"
#include "route/replay_state.h"

static bool is_our_route(const struct place_in *in)
{
	const struct config *c = in->conf;

	if (c->target == TARGET_NONE)
		return true;
	if (in->route->machine.n)
		return str_eq(in->route->machine, c->our_machine);
	return !in->route->region.n || str_eq_nocase(in->route->region, c->our_region);
}

/* Value of a key in "instance=…;region=…;t=…;state=…".  One sample of the platform's own divides by
 * commas. */
static str pair_value(str pairs, str key)
{
	str pair;

	while (pairs.n) {
		size_t end = 0;
		ssize_t equals;

		while (end < pairs.n && pairs.p[end] != ';' && pairs.p[end] != ',')
			end++;
		pair = str_trim(str_slice(pairs, 0, end));
		pairs = str_slice(pairs, end + 1, pairs.n);
		equals = str_find_char(pair, '=');
		if (equals > 0 && str_eq(str_slice(pair, 0, (size_t)equals), key))
			return str_slice(pair, (size_t)equals + 1, pair.n);
	}
	return STR_EMPTY;
}

/* The marker of the replay that brought the request. */
static void read_marker(const struct place_in *in, struct placement *p)
{
	if (!in->has_edge || !in->replay_src.n || !in->conf->hop_key.n)
		return;
	p->marker = marker_read(pair_value(in->replay_src, STR("state")), in->conf->hop_key,
		MARKER_REPLAY, in->now, &p->from);
	if (p->marker > MARKER_NONE && p->marker < MARKER_BAD &&
		!marker_is_for(&p->from, in->route->user))
		p->marker = MARKER_BAD;
}

static bool has_marker(const struct placement *p)
{
	return p->marker == MARKER_VALID || p->marker == MARKER_AHEAD || p->marker == MARKER_OLD;
}

/* How often machines have sent the request on so far.  A machine without a secret counts in plain
 * words; what says nothing that we understand has come once. */
static unsigned count_hops(const struct place_in *in, const struct placement *p)
{
	str state = pair_value(in->replay_src, STR("state"));
	uint64_t hops;

	if (!in->replay_src.n)
		return 0;
	if (has_marker(p))
		return p->from.hop;
	if (in->conf->hop_key.n || !str_starts(state, REPLAY_STATE) ||
		number_parse(str_slice(state, REPLAY_STATE.n, state.n), UINT32_MAX, &hops))
		return 1;
	return (unsigned)hops;
}

/* A secret, and who has sent it here is none of those that know it: nobody to count by. */
static bool is_of_stranger(const struct place_in *in, const struct placement *p)
{
	return in->replay_src.n && in->conf->hop_key.n && !has_marker(p);
}

static bool is_loop(const struct place_in *in, const struct placement *p)
{
	str from = has_marker(p) ? p->from.origin : pair_value(in->replay_src, STR("instance"));

	if (count_hops(in, p) >= PLACE_MAX_HOPS)
		return true;
	/* It comes from the very machine that we would send it to. */
	return in->route->machine.n && !is_of_stranger(in, p) && str_eq(in->route->machine, from);
}

static bool can_be_peer(const struct place_in *in)
{
	return in->conf->hop_key.n && in->route->machine.n;
}

/* The only way that is left.  A machine that has just started may not have found the others yet, so
 * that what cannot be sent on now is not refused for good. */
static enum place_verdict our_own_way(const struct place_in *in, enum place_verdict otherwise)
{
	if (!in->conf->hop_key.n)
		return otherwise;
	return in->route->machine.n ? PLACE_PEER : PLACE_NO_MACHINE;
}

/* The edge brings back what we ourselves have sent on; any client can write the field. */
static bool is_failure_of_ours(const struct place_in *in)
{
	return str_eq(pair_value(in->replay_failed, STR("replay_source")), in->conf->our_machine);
}

static bool is_too_large(const struct place_in *in)
{
	return !in->is_body_size_known || in->body_size > PLACE_MAX_REPLAY_BODY;
}

static enum place_verdict place_elsewhere(const struct place_in *in, const struct placement *p)
{
	if (in->is_from_peer)
		return PLACE_LOOP;
	if (!in->has_edge)
		return our_own_way(in, PLACE_MISDIRECTED);
	/* The edge accepts no other replay of a request that it brought back. */
	if (in->replay_failed.n)
		return can_be_peer(in) && !is_failure_of_ours(in) ? PLACE_PEER
								  : PLACE_REPLAY_FAILED;
	if (is_loop(in, p))
		return PLACE_LOOP;
	if (is_of_stranger(in, p) && can_be_peer(in))
		return PLACE_PEER;
	return is_too_large(in) ? our_own_way(in, PLACE_TOO_LARGE) : PLACE_REPLAY;
}

/* Each * of the pattern is as many bytes as it takes: after the first one that is found, the next
 * part need be looked for behind it only. */
static bool pattern_matches(str pattern, str path)
{
	ssize_t star = str_find_char(pattern, '*'), found;
	str part;

	if (star < 0)
		return str_eq(pattern, path);
	if (!str_starts(path, str_slice(pattern, 0, (size_t)star)))
		return false;
	path = str_slice(path, (size_t)star, path.n);
	for (;;) {
		pattern = str_slice(pattern, (size_t)star + 1, pattern.n);
		star = str_find_char(pattern, '*');
		if (star < 0)
			return str_ends(path, pattern);
		part = str_slice(pattern, 0, (size_t)star);
		found = part.n ? str_find(path, part) : 0;
		if (found < 0)
			return false;
		path = str_slice(path, (size_t)found + part.n, path.n);
	}
}

/* Where nobody knows the user, a pattern that takes any user would wake the appliance for whoever
 * guesses. */
static const struct appliance_conf *find_appliance(const struct place_in *in)
{
	const struct config *c = in->conf;

	if (c->target != TARGET_FLY || !in->has_edge || in->is_from_peer)
		return NULL;
	for (size_t i = 0; i < c->nappliances; i++) {
		const struct appliance_conf *a = &c->appliances[i];

		if ((a->is_rooted || in->route->found != ROUTE_NONE) &&
			pattern_matches(a->pattern, in->path))
			return str_eq(a->app, c->our_app) ? NULL : a;
	}
	return NULL;
}

static enum place_verdict place_appliance(const struct place_in *in, const struct placement *p)
{
	if (in->replay_failed.n)
		return PLACE_REPLAY_FAILED;
	if (count_hops(in, p) >= PLACE_MAX_HOPS)
		return PLACE_LOOP;
	return is_too_large(in) ? PLACE_TOO_LARGE : PLACE_REPLAY;
}

static enum place_verdict place_verdict(const struct place_in *in, const struct placement *p)
{
	switch (in->route->found) {
	case ROUTE_NONE:
		return PLACE_NOT_FOUND;
	case ROUTE_REDIRECT:
		return PLACE_REDIRECT;
	case ROUTE_TENANT:
		return is_our_route(in) ? PLACE_HERE : place_elsewhere(in, p);
	case ROUTE_USER:
		return is_our_route(in) ? PLACE_NOT_FOUND : place_elsewhere(in, p);
	}
	return PLACE_NOT_FOUND;
}

/* The first machine that is asked lets the edge remember the way, if its pattern is one that the
 * edge takes for the path as it was sent; one to which the memory has led in vain takes it back. */
static enum place_cache place_cache(const struct place_in *in)
{
	str alone = in->route->alone;

	if (in->replay_src.n)
		return PLACE_CACHE_NOTHING;
	if (str_eq(in->cache_status, STR("hit")))
		return PLACE_CACHE_INVALIDATE;
	if (in->conf->server.replay_cache && alone.n && in->sent.n > alone.n &&
		in->sent.p[alone.n] == '/' && str_starts(in->sent, alone))
		return PLACE_CACHE_STORE;
	return PLACE_CACHE_NOTHING;
}

struct placement place_decide(const struct place_in *in)
{
	struct placement p = {.machine = STR_EMPTY, .region = STR_EMPTY, .app = STR_EMPTY};
	const struct appliance_conf *appliance = find_appliance(in);

	read_marker(in, &p);
	if (appliance) {
		p.verdict = place_appliance(in, &p);
		p.app = appliance->app;
		p.region = appliance->region;
	} else {
		p.verdict = place_verdict(in, &p);
		if (in->route->machine.n)
			p.machine = in->route->machine;
		else
			p.region = in->route->region;
	}
	if (p.verdict == PLACE_REPLAY) {
		p.hop = count_hops(in, &p) + 1;
		p.cache = appliance ? PLACE_CACHE_NOTHING : place_cache(in);
	}
	return p;
}

struct place_failure place_failure_read(str replay_failed)
{
	static const str known[] = {
		STR_INIT("timeout"), STR_INIT("retries_exhausted"), STR_INIT("no_candidate")};
	struct place_failure f = {.reason = STR_EMPTY};
	str reason = pair_value(replay_failed, STR("reason"));

	for (size_t i = 0; i < NITEMS(known); i++)
		if (str_eq(reason, known[i]))
			f.reason = known[i];
	if (number_parse(pair_value(replay_failed, STR("elapsed_ms")), 3600000, &f.elapsed) < 0)
		f.elapsed = 0;
	return f;
}
