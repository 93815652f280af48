/* place.c - decides where a request is served, from its route and its replay headers. */
/* SPDX-License-Identifier: MIT */
#include "route/place.h"

#include "base/number.h"
#include "route/replay_state.h"

static bool is_our_route(const struct place_in *in)
{
	if (!in->has_fleet)
		return true;
	if (in->route->machine.n)
		return str_eq(in->route->machine, in->our_machine);
	return !in->route->region.n || str_eq_nocase(in->route->region, in->our_region);
}

/* Value of a key in "instance=…;region=…;t=…;state=…".  One sample of the platform's own divides by
 * commas. */
static str replay_src_value(str src, str key)
{
	str pair;

	while (src.n) {
		size_t end = 0;
		ssize_t equals;

		while (end < src.n && src.p[end] != ';' && src.p[end] != ',')
			end++;
		pair = str_trim(str_slice(src, 0, end));
		src = str_slice(src, end + 1, src.n);
		equals = str_find_char(pair, '=');
		if (equals > 0 && str_eq(str_slice(pair, 0, (size_t)equals), key))
			return str_slice(pair, (size_t)equals + 1, pair.n);
	}
	return STR_EMPTY;
}

/* How often machines have sent the request on so far.  If there is no count of ours: once, or
 * never. */
static unsigned count_hops(str src)
{
	str state = replay_src_value(src, STR("state"));
	uint64_t hops;

	if (!src.n)
		return 0;
	if (!str_starts(state, REPLAY_STATE) ||
		number_parse(str_slice(state, REPLAY_STATE.n, state.n), UINT32_MAX, &hops))
		return 1;
	return (unsigned)hops;
}

static bool is_loop(const struct place_in *in)
{
	if (count_hops(in->replay_src) >= PLACE_MAX_HOPS)
		return true;
	/* It comes from the very machine that we would send it to. */
	return in->route->machine.n &&
	       str_eq(in->route->machine, replay_src_value(in->replay_src, STR("instance")));
}

static enum place_verdict place_elsewhere(const struct place_in *in)
{
	if (!in->has_edge)
		return PLACE_MISDIRECTED;
	/* The edge accepts no other replay of a request that it brought back. */
	if (in->is_replay_failed)
		return PLACE_REPLAY_FAILED;
	if (is_loop(in))
		return PLACE_LOOP;
	if (!in->is_body_size_known || in->body_size > PLACE_MAX_REPLAY_BODY)
		return PLACE_TOO_LARGE;
	return PLACE_REPLAY;
}

static enum place_verdict place_verdict(const struct place_in *in)
{
	switch (in->route->found) {
	case ROUTE_NONE:
		return PLACE_NOT_FOUND;
	case ROUTE_REDIRECT:
		return PLACE_REDIRECT;
	case ROUTE_TENANT:
		return is_our_route(in) ? PLACE_HERE : place_elsewhere(in);
	case ROUTE_USER:
		return is_our_route(in) ? PLACE_NOT_FOUND : place_elsewhere(in);
	}
	return PLACE_NOT_FOUND;
}

struct placement place_decide(const struct place_in *in)
{
	struct placement p = {
		.verdict = place_verdict(in), .machine = STR_EMPTY, .region = STR_EMPTY};

	if (p.verdict == PLACE_REPLAY) {
		if (in->route->machine.n)
			p.machine = in->route->machine;
		else
			p.region = in->route->region;
		p.hop = count_hops(in->replay_src) + 1;
	}
	return p;
}
